"""Service addresses and node ports within one plan.

Owns: who holds what when the plan's writes have all taken effect: the store's claims, less
what the plan releases, with what it claims.  Invariants: what counts is the end, so services
may exchange what they hold in any order; every claim is guarded at what was read, so of two
plans that choose the same address only one takes effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from podraft.api.core.v1.service_pb2 import Service
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.core.service.addresses import (
    asked_keys,
    assign,
    claimed_keys,
    field_of_key,
)
from podraft.server.state.datastore import Delete, Guard, Page, Put

_PREFIXES: Final = (b"_addresses/", b"_nodeports/")


@dataclass(frozen=True, slots=True)
class AddressRanges:
    """Where services get their addresses and node ports from."""

    service_cidr: str
    node_ports: range


class RangeReader(Protocol):
    """What is read here."""

    async def range(self, prefix: bytes) -> Page:
        """Return the newest records below ``prefix``."""


class Conflict(NamedTuple):
    """Two services that would hold the same at the end; ``write`` is the place of the later."""

    write: int
    error: InvalidObjectError


class _Held(NamedTuple):
    owner: bytes
    mod_revision: int


class _Claim(NamedTuple):
    write: int
    field: str


class AddressClaims:
    """The claims of one plan."""

    def __init__(
        self, reader: RangeReader, ranges: AddressRanges, new_start: Callable[[], int]
    ) -> None:
        self._reader = reader
        self._ranges = ranges
        # Where the search begins: differs from plan to plan, so that concurrent ones rarely meet.
        self._new_start = new_start
        self._stored: dict[bytes, _Held] | None = None
        # What services that this plan writes ask for: nothing of it is given to another.
        self._asked: set[bytes] = set()
        self._claims: dict[bytes, dict[bytes, _Claim]] = {}
        self._released: set[bytes] = set()

    def foresee(self, service: Service) -> None:
        """Note what a service asks for that a later write of the plan will bring."""
        self._asked.update(asked_keys(service))

    async def assign(self, stored: Service | None, service: Service, write: int) -> Service:
        """Return ``service`` with its addresses; what it claims and releases is noted.

        What it asks for may still be another's: see `conflict`.

        Raises:
            InvalidObjectError: What it asks for is out of range, or nothing is free.
        """
        if stored is not None and stored.spec == service.spec:
            return service
        if self._stored is None:
            pages = [await self._reader.range(prefix) for prefix in _PREFIXES]
            records = [record for page in pages for record in page.records]
            self._stored = {r.key: _Held(r.value, r.mod_revision) for r in records}
        assignment = assign(
            service,
            stored,
            service_cidr=self._ranges.service_cidr,
            node_port_range=self._ranges.node_ports,
            is_taken=self._is_taken,
            start=self._new_start(),
        )
        owner = _owner(service)
        self._release(assignment.release, owner)
        for key in assignment.claim:
            field = field_of_key(assignment.service, key)
            self._claims.setdefault(key, {})[owner] = _Claim(write, field)
        return assignment.service

    def release(self, stored: Service) -> None:
        """Note that ``stored`` goes, with all that it holds."""
        self._release(claimed_keys(stored), _owner(stored))

    def _release(self, keys: tuple[bytes, ...], owner: bytes) -> None:
        for key in keys:
            if self._claims.get(key, {}).pop(owner, None) is None:
                self._released.add(key)

    def _is_taken(self, key: bytes) -> bool:
        assert self._stored is not None  # It was read just before.
        if key in self._asked or self._claims.get(key):
            return True
        return key in self._stored and key not in self._released

    def conflict(self) -> Conflict | None:
        """Return the first claim, in the writes' order, that another service has at the end."""
        return min(self._conflicts(), default=None, key=lambda conflict: conflict.write)

    def _conflicts(self) -> Iterator[Conflict]:
        for key, claims in self._claims.items():
            holders = set(claims)
            held = self._stored.get(key) if self._stored is not None else None
            if held is not None and key not in self._released:
                holders.add(held.owner)
            if len(holders) < 2:
                continue
            owner, last = max(claims.items(), key=lambda claim: claim[1].write)
            other = min(holders - {owner}).decode()
            what = key.decode().partition("/")[2]
            text = f"{what} is taken by another service, {other}"
            yield Conflict(last.write, InvalidObjectError.of(last.field, text))

    def writes(self) -> dict[bytes, Put | Delete]:
        """Return the writes that make the claims what they are at the end."""
        written: dict[bytes, Put | Delete] = {key: Delete(key) for key in self._released}
        for key, claims in self._claims.items():
            for owner in claims:
                written[key] = Put(key, owner, stamped=False)
        return written

    def guards(self) -> dict[bytes, Guard]:
        """Return the guards: each claim at what was read of its key."""
        stored = self._stored or {}
        return {
            key: Guard(key, stored[key].mod_revision if key in stored else 0)
            for key, claims in self._claims.items()
            if claims
        }


def _owner(service: Service) -> bytes:
    return f"{service.metadata.namespace}/{service.metadata.name}".encode()
