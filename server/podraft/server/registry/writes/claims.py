"""Claims of objects to what only one may hold, such as addresses, within one plan.

Owns: the holders when all of the plan's writes have taken effect: the store's claims, less what
the plan releases, plus what it claims.  Invariants: only the end state counts, so objects
may exchange what they hold in any order; every claim is guarded at what was read, so of two
plans that choose the same only one takes effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from podraft.api import codec
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server.kinds.hooks import AddressRanges, Choice, Claims
from podraft.server.kinds.rooms import rules_of
from podraft.server.state.datastore import Delete, Guard, Page, Put


class RangeReader(Protocol):
    """The reads that claims need."""

    async def range(self, prefix: bytes) -> Page:
        """Return the newest records below ``prefix``."""


class Conflict(NamedTuple):
    """Two objects that would hold the same at the end; ``write`` is the index of the later one."""

    write: int
    error: InvalidObjectError


class _Held(NamedTuple):
    owner: bytes
    mod_revision: int


class _Claim(NamedTuple):
    kind: AnyKind
    write: int
    field: str


class PlanClaims:
    """The claims of one plan."""

    def __init__(
        self, reader: RangeReader, ranges: AddressRanges, new_start: Callable[[], int]
    ) -> None:
        self._reader = reader
        self._ranges = ranges
        # The search starts elsewhere in each plan, so that concurrent plans rarely collide.
        self._new_start = new_start
        # The keys held below the prefixes that have been read.
        self._stored: dict[bytes, _Held] = {}
        self._read: set[bytes] = set()
        # The requests of objects that this plan writes: they are given to no other object.
        self._asked: set[bytes] = set()
        self._claims: dict[bytes, dict[bytes, _Claim]] = {}
        self._released: set[bytes] = set()
        # The claims from whose holders something was decided.
        self._consulted: set[bytes] = set()

    def foresee(self, kind: AnyKind, proposed: Any) -> None:
        """Note what an object of a later write of the plan asks for."""
        claims = rules_of(kind).claims
        if claims is not None:
            self._asked.update(claims.asked_by(proposed))

    def foresee_patch(self, kind: AnyKind, merge_patch: bytes) -> None:
        """Note what the patch of a later write of the plan asks for.

        Raises:
            InvalidObjectError: The patch is malformed.
        """
        claims = rules_of(kind).claims
        if claims is not None:
            patch = codec.decode_json(merge_patch)
            part = kind.message.DESCRIPTOR.fields_by_name[claims.part].json_name
            said = patch.get(part) if isinstance(patch, dict) else None
            asking = codec.parse(kind.message, {} if said is None else {part: said})
            self._asked.update(claims.asked_by(asking))

    async def assign(
        self, kind: AnyKind, claims: Claims[Any], stored: Any, proposed: Any, write: int
    ) -> Any:
        """Return ``proposed`` with what it needs; note what it claims and releases.

        What it asks for may still be held by another object: see `conflict`.

        Raises:
            InvalidObjectError: What it asks for is out of range, or nothing is free.
        """
        part = kind.message.DESCRIPTOR.fields_by_camelcase_name[claims.part].name
        if stored is not None and getattr(stored, part) == getattr(proposed, part):
            return proposed
        await self._look(claims.prefixes)
        choice = Choice(self._ranges, self._is_taken, self._new_start())
        assignment = claims.assigned(proposed, stored, choice)
        owner = _owner(proposed)
        self._release(assignment.release, owner)
        for key in assignment.claim:
            field = claims.field_of(assignment.object, key)
            self._claims.setdefault(key, {})[owner] = _Claim(kind, write, field)
        return assignment.object

    async def _look(self, prefixes: Sequence[bytes]) -> None:
        """Read the claims below ``prefixes``, each prefix once in a plan."""
        for prefix in prefixes:
            if prefix not in self._read:
                self._read.add(prefix)
                page = await self._reader.range(prefix)
                self._stored |= {r.key: _Held(r.value, r.mod_revision) for r in page.records}

    async def holder(self, kind: AnyKind, key: bytes) -> str:
        """Return the name of the object of ``kind`` that holds a claim after the writes so far.

        Empty: none does.  The plan takes effect only if that is still so.
        """
        claims = rules_of(kind).claims
        await self._look(claims.prefixes if claims is not None else ())
        self._consulted.add(key)
        owners = list(self._claims.get(key, ()))
        if not owners and key in self._stored and key not in self._released:
            owners.append(self._stored[key].owner)
        return owners[-1].decode().partition("/")[2] if owners else ""

    def release(self, claims: Claims[Any], stored: Any) -> None:
        """Note that ``stored`` is removed, with all that it holds."""
        self._release(claims.held(stored), _owner(stored))

    def _release(self, keys: tuple[bytes, ...], owner: bytes) -> None:
        for key in keys:
            if self._claims.get(key, {}).pop(owner, None) is None:
                self._released.add(key)

    def _is_taken(self, key: bytes) -> bool:
        if key in self._asked or self._claims.get(key):
            return True
        return key in self._stored and key not in self._released

    def conflict(self) -> Conflict | None:
        """Return the first claim, in the writes' order, that another object holds at the end."""
        if not self._claims:
            return None
        return min(self._conflicts(), default=None, key=lambda conflict: conflict.write)

    def _conflicts(self) -> Iterator[Conflict]:
        for key, claims in self._claims.items():
            holders = set(claims)
            held = self._stored.get(key)
            if held is not None and key not in self._released:
                holders.add(held.owner)
            if len(holders) < 2:
                continue
            owner, last = max(claims.items(), key=lambda claim: claim[1].write)
            other = min(holders - {owner}).decode()
            what = key.decode().partition("/")[2]
            text = f"{what} is taken by another {last.kind.name.lower()}, {other}"
            yield Conflict(last.write, InvalidObjectError.of(last.field, text))

    def writes(self) -> dict[bytes, Put | Delete]:
        """Return the writes that turn the stored claims into those at the end."""
        written: dict[bytes, Put | Delete] = {key: Delete(key) for key in self._released}
        for key, claims in self._claims.items():
            for owner in claims:
                written[key] = Put(key, owner, stamped=False)
        return written

    def guards(self) -> dict[bytes, Guard]:
        """Return a guard for each claim and each one consulted, at what was read of its key."""
        stored = self._stored
        return {
            key: Guard(key, stored[key].mod_revision if key in stored else 0)
            for key in self._consulted.union(key for key, held in self._claims.items() if held)
        }


def _owner(holder: Any) -> bytes:
    return f"{holder.metadata.namespace}/{holder.metadata.name}".encode()
