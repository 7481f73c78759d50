"""The members' knowledge of each other.

Owns: the roster and its binary form, which is the context of every ``Membership``: names, addresses
and incarnations change with the membership, in the same log entry, and are the same on all members.

Invariants: pure.  A number belongs to one member for ever and is never reused after its removal; a
name belongs to one member at a time.  A member whose incarnation is not the known one has lost its
disk, and with it its votes and acknowledgements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import MemberId

INCARNATION_BYTES: Final = 16
MEMBER_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
# Numbers are random, so a forgotten one does not recur by chance.
REMOVED_MAX: Final = 256


class RosterError(Exception):
    """A roster cannot be read, or does not allow a request; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A member as the others know it; ``incarnation`` is empty until the member announces it."""

    id: MemberId
    name: str
    address: str
    api_addresses: tuple[str, ...] = ()
    incarnation: bytes = b""

    def message(self) -> members_pb2.MemberRecord:
        """Return the protobuf message that members send each other."""
        return members_pb2.MemberRecord(
            id=self.id,
            name=self.name,
            peer_address=self.address,
            api_addresses=self.api_addresses,
            incarnation=self.incarnation,
        )


def record_of(message: members_pb2.MemberRecord) -> Peer:
    """Return the peer from which ``Peer.message`` made ``message``."""
    return Peer(
        message.id,
        message.name,
        message.peer_address,
        tuple(message.api_addresses),
        message.incarnation,
    )


@dataclass(frozen=True, slots=True)
class Roster:
    """All members, by ascending number, and the numbers that are used up."""

    members: tuple[Peer, ...] = ()
    removed: tuple[MemberId, ...] = ()

    @classmethod
    def of(cls, members: Iterable[Peer], removed: Iterable[MemberId] = ()) -> Roster:
        """Return the roster of these members, in canonical order."""
        ordered = sorted(members, key=lambda member: member.id)
        return cls(tuple(ordered), tuple(removed)[-REMOVED_MAX:])

    def get(self, member_id: MemberId) -> Peer | None:
        """Return the member with that number, None if there is none."""
        return next((member for member in self.members if member.id == member_id), None)

    def named(self, name: str) -> Peer | None:
        """Return the member with that name, None if there is none."""
        return next((member for member in self.members if member.name == name), None)

    def name_of(self, member_id: MemberId) -> str:
        """Return the member's name, or its number if it is not known."""
        member = self.get(member_id)
        return member.name if member is not None else str(member_id)

    def joined(self, member: Peer) -> Roster:
        """Return the roster with one more member.

        Raises:
            RosterError: Its name, number or address is taken.
        """
        if member.id in self.removed:
            raise RosterError(f"number {member.id} was a member's that was removed")
        for other in self.members:
            if other.name == member.name:
                raise RosterError(
                    f"there is a member {member.name} already: remove it first, or take another "
                    "name"
                )
            if other.id == member.id:
                raise RosterError(f"number {member.id} is that of member {other.name}")
            if other.address == member.address:
                raise RosterError(f"{member.address} is the address of member {other.name}")
        return Roster.of((*self.members, member), self.removed)

    def described(self, member: Peer) -> Roster:
        """Return the roster with ``member``'s new description of itself.

        Raises:
            RosterError: It is no member, has another name, or has lost its disk.
        """
        known = self.get(member.id)
        if known is None or known.name != member.name:
            raise RosterError(f"member {member.name} with number {member.id} is not known")
        if not same_incarnation(known.incarnation, member.incarnation):
            raise RosterError(f"member {member.name} has lost its disk")
        others = (other for other in self.members if other.id != member.id)
        return Roster.of((*others, member), self.removed)

    def without(self, member_id: MemberId) -> Roster:
        """Return the roster after the member has left; its number is used up."""
        others = [member for member in self.members if member.id != member_id]
        removed = [number for number in self.removed if number != member_id]
        return Roster.of(others, (*removed, member_id))

    def completed(self, founders: Iterable[Peer]) -> Roster:
        """Return the roster with those founders that it does not know of yet.

        A group that was founded before members kept a roster has memberships without one.
        """
        used = {member.id for member in self.members} | set(self.removed)
        missing = [founder for founder in founders if founder.id not in used]
        return Roster.of((*self.members, *missing), self.removed) if missing else self

    def message(self) -> members_pb2.Roster:
        """Return the protobuf message that members send each other."""
        return members_pb2.Roster(
            members=[member.message() for member in self.members], removed_ids=self.removed
        )

    def encode(self) -> bytes:
        """Return the roster as the context of a membership."""
        return self.message().SerializeToString(deterministic=True)


def same_incarnation(known: bytes, told: bytes) -> bool:
    """Return whether both name the same incarnation, as far as is known."""
    return not known or known == told


def roster_of(message: members_pb2.Roster) -> Roster:
    """Return the roster from which ``Roster.message`` made ``message``."""
    return Roster.of(map(record_of, message.members), message.removed_ids)


def decode_roster(context: bytes) -> Roster:
    """Return the roster that ``Roster.encode`` encoded as ``context``.

    Raises:
        RosterError: ``context`` is not an encoded roster.
    """
    try:
        return roster_of(members_pb2.Roster.FromString(context))
    except DecodeError as error:
        raise RosterError(f"a membership's roster cannot be read: {error}") from None
