"""This member's knowledge of its group, and the peers that follow from it.

Owns: the membership in force and the last certain one, with their rosters; the transport's peers.

Invariants: the transport talks to all members of the membership in force and of the last certain
one.  Only a certain removal makes a member leave; removed members hear of it before the link ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from podraft.server.raft.entries import MemberId, Membership
from podraft.server.raft.quorum import majority
from podraft.server.raft.status import Status
from podraft.server.replication.core.roster import Peer, Roster, decode_roster
from podraft.server.replication.membership.group import GroupView, MemberView, StoreMode
from podraft.server.replication.transport.introductions import removed_words
from podraft.server.replication.transport.member_transport import MemberTransport

# How long a removed member's link stays, so that it still hears of its removal.
_FAREWELL_S: Final = 3.0
_NOBODY: Final = Membership.of(())


class GroupKnowledge:
    """One member's knowledge of its group; lives on the loop.

    ``founders`` are known without the log: the founders of a new group, or the members that a
    joining one was told of.  ``addresses`` (by name) take precedence over those in the log, as
    nothing else could tell them if all members have moved at once.  ``dismissed`` is called when
    this member must not take part any more.
    """

    def __init__(
        self,
        me: Peer,
        founders: Iterable[Peer],
        addresses: Mapping[str, str],
        transport: MemberTransport,
        dismissed: Callable[[str], None],
    ) -> None:
        self.me = me
        self._founders = tuple(founders)
        self._addresses = addresses
        self._transport = transport
        self._dismissed = dismissed
        # The membership in force, once it is in this member's log; the one certain to stay there.
        self.membership = self.certain_membership = _NOBODY
        self.roster = self.certain_roster = Roster()
        self._news = asyncio.Event()
        transport.dismissed = dismissed
        self._set_peers()

    @property
    def certain(self) -> bool:
        """Whether the membership in force is certain to stay."""
        return self.membership is self.certain_membership

    @property
    def belonging(self) -> bool:
        """Whether this member certainly belongs to the group."""
        return self.me.id in self.certain_membership.members

    def view(self, status: Status) -> GroupView:
        """Return the members as this one sees them now."""
        reachable = {status.id, *self._transport.connected}
        matches = {**status.matches, status.id: status.last_index}
        members = tuple(
            MemberView(
                peer.id,
                peer.name,
                peer.id in self.membership.voters,
                peer.address,
                peer.api_addresses,
                peer.id in reachable,
                matches.get(peer.id),
            )
            for peer in self.roster.members
        )
        return GroupView(
            StoreMode.GROUP,
            members,
            status.id,
            status.leader,
            status.term,
            status.commit,
            status.last_index,
        )

    def waiting_for(self) -> str:
        """Return what a member waits for while it does not know what was committed."""
        if not self.belonging:
            return "the group's state"
        reachable = {self.me.id, *self._transport.connected}
        away = [self.roster.name_of(v) for v in self.membership.voters if v not in reachable]
        if len(away) < majority(len(self.membership.voters)):
            return "a leader"
        return f"a majority of the members; not reachable: {', '.join(sorted(away))}"

    async def news(self) -> None:
        """Wait until something has changed."""
        await self._news.wait()

    def follow(self, in_force: Membership, certain: Membership) -> None:
        """Take note of the memberships in this member's log."""
        self.membership, self.roster = in_force, self._roster_of(in_force)
        self.certain_membership = certain
        self.certain_roster = self.roster if self.certain else self._roster_of(certain)
        news, self._news = self._news, asyncio.Event()
        news.set()
        self._set_peers()
        if self.me.id in self.certain_roster.removed:
            self._dismissed(removed_words(self.me.name))

    def _roster_of(self, membership: Membership) -> Roster:
        roster = decode_roster(membership.context).completed(self._founders)
        known = [member for member in roster.members if member.id in membership.members]
        return Roster.of(known, roster.removed)

    def _set_peers(self) -> None:
        peers = {peer.id: peer for peer in self.certain_roster.members}
        peers.update({peer.id: peer for peer in self.roster.members})
        if self.me.id not in peers:
            # The log does not yet tell which members this one has joined.
            peers = {peer.id: peer for peer in self._founders} | peers
        leaving = [peer for peer in self._transport.peers if peer.id not in peers]
        talking = [
            replace(peer, address=self._addresses.get(peer.name, peer.address))
            for peer in (*peers.values(), *leaving)
        ]
        self._transport.set_peers(talking, self.certain_roster.removed)
        if leaving:
            loop = asyncio.get_running_loop()
            loop.call_later(_FAREWELL_S, self._part, frozenset(peer.id for peer in leaving))

    def _part(self, leaving: frozenset[MemberId]) -> None:
        """Drop the members that have left, once they have had time to hear of it."""
        staying = {*self.certain_membership.members, *self.membership.members}
        peers = [p for p in self._transport.peers if p.id in staying or p.id not in leaving]
        self._transport.set_peers(peers, self.certain_roster.removed)
