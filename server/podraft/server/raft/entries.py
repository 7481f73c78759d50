"""The content of a log: entries, the durable facts beside them, the group's membership.

Owns: the vocabulary of the log and the binary form of a membership (little-endian):

    version u8 | voters u16 | learners u16 | member ids u64 each | context (version 2 only)

Invariants: the ids of a ``Membership`` are sorted, so equal memberships have equal bytes; no member
is voter and learner at once.
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
    """The kind of an entry's payload."""

    COMMAND = 1  # For the state machine above.
    EMPTY = 2  # A leader's first entry: it commits what earlier terms left.
    MEMBERSHIP = 3  # An encoded ``Membership``, in force from the moment it is in a log.


@value
class Entry:
    """One entry of the log.  ``index`` and ``term`` together also determine all entries before it.

    ``proposal`` is the id by which its proposer recognises it; 0 if no proposer waits for it.
    """

    index: int
    term: int
    kind: EntryKind
    payload: bytes
    proposal: int = 0


@value
class HardState:
    """The facts that a member must not forget: its term, and its vote in that term (0: none)."""

    term: int = 0
    vote: MemberId = NOBODY


INITIAL_HARD_STATE = HardState()


@value
class Membership:
    """The members that replicate the log; only voters count in majorities.

    ``context`` is the shell's knowledge of the members (where to reach them): it changes
    together with them, and is opaque here.
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
        """All members that get entries."""
        return (*self.voters, *self.learners)

    def encode(self) -> bytes:
        """Return the payload of a ``MEMBERSHIP`` entry."""
        version = _MEMBERSHIP_VERSIONS[bool(self.context)]
        header = _MEMBERSHIP.pack(version, len(self.voters), len(self.learners))
        ids = b"".join(member.to_bytes(8, "little") for member in self.members)
        return header + ids + self.context


class MembershipFormatError(Exception):
    """Bytes that are not a membership of a known version."""


def decode_membership(payload: bytes) -> Membership:
    """Return the membership that ``Membership.encode`` wrote.

    Raises:
        MembershipFormatError: ``payload`` is not an encoded membership.
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
    """The place in the log at which a snapshot of the state machine was taken.

    It replaces every entry up to ``index``, so it carries that entry's term and membership.
    """

    index: int
    term: int
    membership: Membership
