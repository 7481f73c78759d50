"""What a log consists of: entries, the durable facts beside them, who belongs to the group.

Owns: the vocabulary of the log and the binary form of a membership (little-endian):

    version u8 | voters u16 | learners u16 | member ids u64 each | context (version 2 only)

Invariants: the ids of a ``Membership`` are sorted, so equal memberships have equal bytes; nobody is
voter and learner at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from struct import Struct
from typing import TypeAlias

from podraft.server.values import value

MemberId: TypeAlias = int
NOBODY: MemberId = 0

_MEMBERSHIP = Struct("<BHH")
# Without a context and with one.
_MEMBERSHIP_VERSIONS = (1, 2)


class EntryKind(IntEnum):
    """What an entry's payload is."""

    COMMAND = 1  # For the state machine above.
    EMPTY = 2  # A leader's first entry: it commits what earlier terms left.
    MEMBERSHIP = 3  # An encoded ``Membership``, in force from the moment it is in a log.


@value
class Entry:
    """One position of the log.  ``index`` and ``term`` together say everything before it, too.

    ``proposal`` is how its proposer recognises it; 0 if nobody waits for it.
    """

    index: int
    term: int
    kind: EntryKind
    payload: bytes
    proposal: int = 0


@value
class HardState:
    """What a member must not forget: its term, and whom it voted for in it (0: nobody)."""

    term: int = 0
    vote: MemberId = NOBODY


INITIAL_HARD_STATE = HardState()


@value
class Membership:
    """Who replicates the log; only voters count in majorities.

    ``context`` is what the shell wants to know of the members (where to reach them): it changes
    together with them, and means nothing here.
    """

    voters: tuple[MemberId, ...]
    learners: tuple[MemberId, ...] = ()
    context: bytes = b""

    @classmethod
    def of(
        cls,
        voters: Iterable[MemberId],
        learners: Iterable[MemberId] = (),
        context: bytes = b"",
    ) -> Membership:
        """Return the membership of these members, in canonical order."""
        return cls(tuple(sorted(voters)), tuple(sorted(learners)), context)

    @property
    def members(self) -> tuple[MemberId, ...]:
        """Everybody who gets entries."""
        return (*self.voters, *self.learners)

    def encode(self) -> bytes:
        """Return the payload of a ``MEMBERSHIP`` entry."""
        version = _MEMBERSHIP_VERSIONS[bool(self.context)]
        header = _MEMBERSHIP.pack(version, len(self.voters), len(self.learners))
        ids = b"".join(member.to_bytes(8, "little") for member in self.members)
        return header + ids + self.context


class MembershipFormatError(Exception):
    """Bytes that are no membership of a known version."""


def decode_membership(payload: bytes) -> Membership:
    """Return what ``Membership.encode`` wrote.

    Raises:
        MembershipFormatError: It wrote something else.
    """
    if len(payload) < _MEMBERSHIP.size:
        raise MembershipFormatError(f"a membership of {len(payload)} bytes is cut off")
    version, voters, learners = _MEMBERSHIP.unpack_from(payload)
    end = _MEMBERSHIP.size + 8 * (voters + learners)
    ids, context = payload[_MEMBERSHIP.size : end], payload[end:]
    if version not in _MEMBERSHIP_VERSIONS or len(payload) < end:
        raise MembershipFormatError(f"no membership of version {_MEMBERSHIP_VERSIONS[-1]}")
    if (version == _MEMBERSHIP_VERSIONS[1]) != bool(context):
        raise MembershipFormatError(f"a membership of version {version} with {len(context)} more")
    members = [int.from_bytes(ids[at : at + 8], "little") for at in range(0, len(ids), 8)]
    return Membership(tuple(members[:voters]), tuple(members[voters:]), context)


@value
class SnapshotMark:
    """Where in the log a snapshot of the state machine was taken.

    It stands for every entry up to ``index``, whose term and membership it therefore carries.
    """

    index: int
    term: int
    membership: Membership
