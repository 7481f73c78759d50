"""The hooks by which an object takes part in more than itself, as its kind's room declares.

Owns: the shape of the hooks by which the registry's planner works for any kind: what an object
holds alone among all (`Claims`), which others a rule must look at (`Neighbours`), what the server
keeps beside an object (`Companion`), what only today's readers may learn (`Secrecy`), and from
what a question is answered (`Asking`).

Invariant: a hook decides, the planner reads and writes; a hook knows only its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind, KnownKinds
from podraft.server.auth.authorize import Lookup
from podraft.server.auth.identity import Identity
from podraft.server.auth.rbac.rights import Rights
from podraft.server.kinds.report import Report

ObjectT = TypeVar("ObjectT", bound=Message)


@dataclass(frozen=True, slots=True)
class AddressRanges:
    """The ranges from which services get their addresses and node ports."""

    service_cidr: str
    node_ports: range


@dataclass(frozen=True, slots=True)
class Choice:
    """The choices that an assignment has.

    Attributes:
        ranges: The cluster's ranges.
        is_taken: Whether another object holds what a key claims, or asks for it.
        start: Where the search for something free begins; any number.
    """

    ranges: AddressRanges
    is_taken: Callable[[bytes], bool]
    start: int


@dataclass(frozen=True, slots=True)
class Assignment(Generic[ObjectT]):
    """The object with its assigned fields; the keys that it claims and releases with that."""

    object: ObjectT
    claim: tuple[bytes, ...]
    release: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Claims(Generic[ObjectT]):
    """The claims of a kind's objects to what only one may hold: addresses, ports; each has a key.

    The keys are written in the object's own transaction, guarded at what was read, so two objects
    never hold the same.  Whether another object holds what an object asks for is seen at the end
    of the transaction: its writes may exchange what they hold.

    Attributes:
        prefixes: The prefixes of all keys.
        held: Return the keys that a valid object holds.
        field_of: Return the field of an object that holds what a key claims.
        asked: Return the keys that an object asks for itself, whether valid or not.  None:
            as ``held``.
        assign: Return the new object, valid, with all that it needs, given the stored one.
            Raises ``InvalidObjectError``: what it asks for is out of range, or nothing is free.
            None: objects hold what they ask for, and nothing is chosen for them.
        part: The message's field from which everything follows; while it stays, all stays.
    """

    prefixes: tuple[bytes, ...]
    held: Callable[[ObjectT], tuple[bytes, ...]]
    field_of: Callable[[ObjectT, bytes], str]
    asked: Callable[[ObjectT], tuple[bytes, ...]] | None = None
    assign: Callable[[ObjectT, ObjectT | None, Choice], Assignment[ObjectT]] | None = None
    part: str = "spec"

    def asked_by(self, proposed: ObjectT) -> tuple[bytes, ...]:
        """Return the keys that an object asks for itself, whether valid or not."""
        return self.held(proposed) if self.asked is None else self.asked(proposed)

    def assigned(
        self, proposed: ObjectT, stored: ObjectT | None, choice: Choice
    ) -> Assignment[ObjectT]:
        """Return the new object, valid, with all that it needs, given the stored one.

        Raises:
            InvalidObjectError: What it asks for is out of range, or nothing is free.
        """
        if self.assign is not None:
            return self.assign(proposed, stored, choice)
        before = frozenset[bytes]() if stored is None else frozenset(self.held(stored))
        after = frozenset(self.held(proposed))
        return Assignment(proposed, tuple(sorted(after - before)), tuple(sorted(before - after)))


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another object that a rule looks at, whether it exists or not.

    Attributes:
        kind: The object's kind.
        namespace: The object's namespace; empty: none.
        name: The object's name.
        claim: The key of a claim: the object is the one that holds it, whatever its name.
    """

    kind: AnyKind
    namespace: str
    name: str
    claim: bytes = b""


@dataclass(frozen=True, slots=True)
class Neighbours(Generic[ObjectT]):
    """A rule that depends on other objects, as they are when the transaction takes effect.

    Attributes:
        of: Return what the rule looks at, given the stored object (None: it is created) and the new
            one; nothing: the rule does not apply.
        check: Check the new object, given what was found, in the same order; None: no such object.
        guarded: Whether the write must fail if what was looked at has changed meanwhile.  Without
            that, the rule may read only those fields of its neighbours that never change.
    """

    of: Callable[[ObjectT | None, ObjectT], tuple[Neighbour, ...]]
    check: Callable[[ObjectT, tuple[Any, ...], AddressRanges, Report], None]
    guarded: bool = True


@dataclass(frozen=True, slots=True)
class Asking:
    """What a question to the server is answered from.

    Attributes:
        identity: Who asks.
        known: The kinds that there are.
        lookup: What the rights of nodes depend on.
        rights: Who has which roles.
    """

    identity: Identity
    known: KnownKinds
    lookup: Lookup
    rights: Rights


def _nothing_left(_: datetime) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class Companion:
    """A record that the server keeps beside each object of a kind, and that ends with it.

    Attributes:
        key: Return the record's key, by the object's namespace and name.
        ends_when_asked: It ends with the call that deletes the object, whatever holds that back.
        left: Return what is stored there afterwards, by the present time; None: nothing.
        is_alone: Return whether a stored record can be ended where there is no object.  None: none
            can.
    """

    key: Callable[[str, str], bytes]
    ends_when_asked: bool = False
    left: Callable[[datetime], bytes | None] = _nothing_left
    is_alone: Callable[[bytes], bool] | None = None


# From a value's name within the object, and the value, to its stand-in.
Hashed: TypeAlias = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Secrecy(Generic[ObjectT]):
    """The parts of an object that only those may learn who may read it today.

    Attributes:
        hidden: Return a copy that shows a hash in place of each value.
        is_current: Return whether a past state holds no value that the present one (None: it is
            gone) does not hold.
    """

    hidden: Callable[[ObjectT, Hashed], ObjectT]
    is_current: Callable[[ObjectT, ObjectT | None], bool]
