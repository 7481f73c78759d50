"""Changing the group from any of its members.

Owns: the way of a requested change to the leader, and what a member ensures for itself: that the
others know its address, that it votes once it has caught up.

    any member: change -> the leader (itself, or by ``ChangeGroup``) -> core -> committed

Invariant: a change is requested again until its end is known; the caller learns whether it is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

import grpc

from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import NOBODY, MemberId
from podraft.server.replication.core.roster import Peer, Roster, roster_of
from podraft.server.replication.driver import MemberDriver
from podraft.server.replication.faults import NoLeaderError, OutcomeUnknownError
from podraft.server.replication.membership.group_knowledge import GroupKnowledge
from podraft.server.replication.membership.group_leading import ChangeNotAllowedError, GroupLeading
from podraft.server.replication.transport.member_transport import MemberTransport

_LOG = logging.getLogger(__name__)

# How long a change may take, including elections on the way.
_CHANGE_S: Final = 15.0
# How long one attempt at the leader may take.
_ATTEMPT_S: Final = 5.0
_PAUSE_S: Final = 0.1
_DESCRIBE_AGAIN_S: Final = 0.5

Request: TypeAlias = members_pb2.ChangeGroupRequest
Response: TypeAlias = members_pb2.ChangeGroupResponse


class Administration:
    """The administration of a group from one member; lives on the loop."""

    def __init__(
        self,
        me: Peer,
        knowledge: GroupKnowledge,
        driver: MemberDriver,
        transport: MemberTransport,
    ) -> None:
        self._me = me
        self._known = knowledge
        self._driver = driver
        self._transport = transport
        self._leading = GroupLeading(me.id, knowledge, driver, transport)
        transport.answer_change = self._leading.carry_out

    # Asking for changes, on any member.

    async def add(self, peer: Peer) -> Roster:
        """Add ``peer`` as a learner, which gets all entries; return the group with it.

        Here and below:

        Raises:
            ChangeNotAllowedError: The group does not allow it; nothing was done.
            NoLeaderError: There was no leader, or it could not be done in time; nothing was done.
            OutcomeUnknownError: It may have been done; repeating the request tells.
        """
        return roster_of((await self._ask(Request(add=peer.message()))).roster)

    async def promote(self, member: MemberId) -> Roster:
        """Make a learner a voter; return the group."""
        return roster_of((await self._ask(Request(promote_id=member))).roster)

    async def remove(self, member: MemberId, *, force: bool) -> Roster:
        """Remove a member for good; return the group."""
        removal = members_pb2.MemberRemoval(id=member, force=force)
        return roster_of((await self._ask(Request(remove=removal))).roster)

    async def lead(self, member: MemberId) -> MemberId:
        """Make a voter lead (0: the best one except the present leader); return the new leader."""
        return (await self._ask(Request(lead_id=member))).leader_id

    async def _ask(self, request: Request) -> Response:
        """Ask the leader until the end of the change is known, or the time for it is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CHANGE_S
        asked = uncertain = False
        reason = "no leader was found in time"
        while not asked or loop.time() < deadline:
            asked = True
            response = await self._ask_once(request)
            outcome = response.outcome
            if outcome == members_pb2.CHANGE_OUTCOME_DONE:
                return response
            if outcome == members_pb2.CHANGE_OUTCOME_REFUSED:
                raise ChangeNotAllowedError(response.reason)
            uncertain |= outcome == members_pb2.CHANGE_OUTCOME_UNKNOWN
            if outcome == members_pb2.CHANGE_OUTCOME_LATER:
                reason = response.reason
            await asyncio.sleep(_PAUSE_S)
        if uncertain:
            raise OutcomeUnknownError("the leader was lost; the members may have been changed")
        raise NoLeaderError(f"{reason}; nothing was done, try again")

    async def _ask_once(self, request: Request) -> Response:
        leader = self._driver.status.leader
        if leader == self._me.id:
            return await self._leading.carry_out(request)
        if leader == NOBODY:
            return Response(outcome=members_pb2.CHANGE_OUTCOME_NOT_LEADER)
        try:
            response = await self._transport.ask_change(leader, request, _ATTEMPT_S)
        except grpc.aio.AioRpcError:
            return Response(outcome=members_pb2.CHANGE_OUTCOME_UNKNOWN)
        return response or Response(outcome=members_pb2.CHANGE_OUTCOME_NOT_LEADER)

    # What a member does for itself.

    async def keep_described(self, api_addresses: tuple[str, ...]) -> None:
        """Make sure that the others know this member's addresses and its incarnation."""
        described = replace(self._me, api_addresses=api_addresses)
        request = Request(describe=described.message())
        while True:
            known = self._known.certain_roster.get(self._me.id)
            if known == described or not self._known.belonging:
                await self._known.news()
                continue
            response = await self._ask_once(request)
            if response.outcome == members_pb2.CHANGE_OUTCOME_REFUSED:
                _LOG.warning("the others do not know this member: %s", response.reason)
            await asyncio.sleep(_DESCRIBE_AGAIN_S)

    async def become_voter(self, progress: Callable[[int], None]) -> None:
        """Ask to become a voter until this member is one; ``progress`` gets its missing entries."""
        while True:
            if self._me.id in self._known.certain_membership.voters:
                return
            response = await self._ask_once(Request(promote_id=self._me.id))
            if response.outcome == members_pb2.CHANGE_OUTCOME_LATER:
                progress(response.lag)
            await asyncio.sleep(_PAUSE_S * 2)
