"""Service addresses and node ports within one plan.

Owns: what is claimed as one plan sees it: the store's claims, less what the plan
has released, with what it has claimed.  Invariant: every claim is guarded at
what was read, so of two plans that choose the same address only one takes effect.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from podraft.api.core.v1.service_pb2 import Service
from podraft.server.admission import assign, claimed_keys
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


class AddressClaims:
    """The claims of one plan."""

    def __init__(
        self, reader: RangeReader, ranges: AddressRanges, new_start: Callable[[], int]
    ) -> None:
        self._reader = reader
        self._ranges = ranges
        # Where the search begins: differs from plan to plan, so that concurrent ones rarely meet.
        self._new_start = new_start
        self._stored: dict[bytes, int] | None = None
        self.guards: dict[bytes, Guard] = {}
        self.writes: dict[bytes, Put | Delete] = {}

    async def assign(self, stored: Service | None, service: Service) -> Service:
        """Return ``service`` with its addresses; what it claims and releases is noted.

        Raises:
            InvalidObjectError: What it asks for is taken, or nothing is free.
        """
        if stored is not None and stored.spec == service.spec:
            return service
        if self._stored is None:
            pages = [await self._reader.range(prefix) for prefix in _PREFIXES]
            self._stored = {r.key: r.mod_revision for page in pages for r in page.records}
        assignment = assign(
            service,
            stored,
            service_cidr=self._ranges.service_cidr,
            node_port_range=self._ranges.node_ports,
            is_taken=self._is_taken,
            start=self._new_start(),
        )
        owner = f"{service.metadata.namespace}/{service.metadata.name}".encode()
        for key in assignment.release:
            self.writes[key] = Delete(key)
        for key in assignment.claim:
            self.guards[key] = Guard(key, self._stored.get(key, 0))
            self.writes[key] = Put(key, owner, stamped=False)
        return assignment.service

    def release(self, stored: Service) -> None:
        """Note that ``stored`` goes, with all that it holds."""
        for key in claimed_keys(stored):
            self.writes[key] = Delete(key)

    def _is_taken(self, key: bytes) -> bool:
        write = self.writes.get(key)
        if write is not None:
            return isinstance(write, Put)
        assert self._stored is not None  # It was read just before.
        return key in self._stored
