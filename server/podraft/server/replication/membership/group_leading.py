"""Changing the group, on the member that leads it.

Owns: the checks before a change is proposed, and the report of its end.

Invariants: repeating a request that was carried out changes nothing.  Without force no voter is
removed if the reachable ones of the others would not be a majority.
"""

from __future__ import annotations

import asyncio
from typing import Final

from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import NOBODY, MemberId
from podraft.server.raft.events import AddLearner, Describe, Promote, Refusal, Remove
from podraft.server.raft.member import Role
from podraft.server.raft.quorum import majority
from podraft.server.replication.core.group_changes import ChangeRefusedError, choose_heir
from podraft.server.replication.core.roster import Peer, RosterError, record_of
from podraft.server.replication.driver import MemberDriver
from podraft.server.replication.membership.group_knowledge import GroupKnowledge
from podraft.server.replication.transport.member_transport import MemberTransport

MEMBERS_MAX: Final = 9
_ATTEMPT_S: Final = 4.0
_SOON: Final = frozenset(
    {
        Refusal.CHANGE_PENDING,
        Refusal.TERM_NOT_COMMITTED,
        Refusal.TRANSFERRING,
        Refusal.NOT_CAUGHT_UP,
        Refusal.DEPOSED,
        Refusal.OVERLOADED,
    }
)


class ChangeNotAllowedError(Exception):
    """The group does not allow this change; nothing was done.  The message says why."""


class GroupLeading:
    """The leader's side of changes of the group; lives on the loop."""

    def __init__(
        self,
        me: MemberId,
        knowledge: GroupKnowledge,
        driver: MemberDriver,
        transport: MemberTransport,
    ) -> None:
        self._me = me
        self._known = knowledge
        self._driver = driver
        self._transport = transport

    async def carry_out(
        self, request: members_pb2.ChangeGroupRequest
    ) -> members_pb2.ChangeGroupResponse:
        """Change the group, if this member leads it; return the result."""
        if self._driver.status.role is not Role.LEADER:
            return self._response(members_pb2.CHANGE_OUTCOME_NOT_LEADER)
        if not self._known.certain:
            # Otherwise a change that is not certain yet would be reported as done.
            return self._refused(request, Refusal.CHANGE_PENDING)
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                await self._act(request)
        except ChangeRefusedError as error:
            return self._refused(request, error.reason)
        except (ChangeNotAllowedError, RosterError) as error:
            return self._response(members_pb2.CHANGE_OUTCOME_REFUSED, str(error))
        except TimeoutError:
            return self._response(members_pb2.CHANGE_OUTCOME_UNKNOWN)
        return self._response(members_pb2.CHANGE_OUTCOME_DONE)

    async def _act(self, request: members_pb2.ChangeGroupRequest) -> None:
        match request.WhichOneof("change"):
            case "add":
                await self._add(record_of(request.add))
            case "describe":
                await self._describe(record_of(request.describe))
            case "promote_id":
                await self._promote(request.promote_id)
            case "remove":
                await self._remove(request.remove.id, force=request.remove.force)
            case "lead_id":
                await self._lead(request.lead_id)
            case _:
                raise ChangeNotAllowedError("this leader does not know that change of the group")

    async def _add(self, peer: Peer) -> None:
        known = self._known.roster.get(peer.id)
        if known is not None and (known.name, known.incarnation) == (peer.name, peer.incarnation):
            return
        joined = self._known.roster.joined(peer)
        if len(joined.members) > MEMBERS_MAX:
            raise ChangeNotAllowedError(f"a group has at most {MEMBERS_MAX} members")
        await self._driver.change(AddLearner(peer.id, joined.encode()))

    async def _describe(self, peer: Peer) -> None:
        if self._known.roster.get(peer.id) != peer:
            await self._driver.change(Describe(self._known.roster.described(peer).encode()))

    async def _promote(self, member: MemberId) -> None:
        self._check_member(member)
        if member not in self._known.membership.voters:
            await self._driver.change(Promote(member))

    async def _remove(self, member: MemberId, *, force: bool) -> None:
        if member in self._known.roster.removed:
            return
        self._check_member(member)
        name = self._known.roster.name_of(member)
        voters = self._known.membership.voters
        if voters == (member,):
            raise ChangeNotAllowedError(f"member {name} is the last voter: nobody would be left")
        if not force and member in voters:
            self._check_majority_after(member)
        without = self._known.roster.without(member)
        await self._driver.change(Remove(member, without.encode()))

    def _check_majority_after(self, leaving: MemberId) -> None:
        """Refuse a removal that would leave a group without a majority."""
        staying = [voter for voter in self._known.membership.voters if voter != leaving]
        reachable = {self._me, *self._transport.connected}
        away = [voter for voter in staying if voter not in reachable]
        if len(staying) - len(away) < majority(len(staying)):
            names = ", ".join(sorted(self._known.roster.name_of(voter) for voter in away))
            raise ChangeNotAllowedError(
                f"without member {self._known.roster.name_of(leaving)} only "
                f"{len(staying) - len(away)} of {len(staying)} voters can be reached "
                f"({names}: unreachable), which is no majority: the group would stand still"
            )

    def _check_member(self, member: MemberId) -> None:
        if member not in self._known.membership.members:
            raise ChangeNotAllowedError(f"there is no member with number {member:016x}")

    async def _lead(self, member: MemberId) -> None:
        if member == self._me:
            return
        heir = member or self._best_heir()
        name = self._known.roster.name_of(heir)
        if heir not in self._known.membership.voters:
            raise ChangeNotAllowedError(f"member {name} does not vote")
        if heir not in self._transport.connected:
            raise ChangeNotAllowedError(f"member {name} cannot be reached")
        try:
            await self._driver.transfer(heir)
        except ChangeRefusedError as error:
            if error.reason in (Refusal.TRANSFER_FAILED, Refusal.NOT_APPLICABLE):
                raise ChangeNotAllowedError(f"member {name} did not take over in time") from None
            raise

    def _best_heir(self) -> MemberId:
        voters = self._known.membership.voters
        heir = choose_heir(self._driver.status, voters, self._transport.connected)
        if heir == NOBODY:
            raise ChangeNotAllowedError("no other voter can be reached")
        return heir

    def _refused(
        self, request: members_pb2.ChangeGroupRequest, reason: Refusal
    ) -> members_pb2.ChangeGroupResponse:
        if reason is Refusal.NOT_LEADER:
            return self._response(members_pb2.CHANGE_OUTCOME_NOT_LEADER)
        if reason not in _SOON:
            return self._response(members_pb2.CHANGE_OUTCOME_REFUSED, reason.value)
        response = self._response(members_pb2.CHANGE_OUTCOME_LATER, reason.value)
        if request.WhichOneof("change") == "promote_id":
            status = self._driver.status
            response.lag = status.last_index - status.matches.get(request.promote_id, 0)
        return response

    def _response(
        self, outcome: members_pb2.ChangeOutcome, reason: str = ""
    ) -> members_pb2.ChangeGroupResponse:
        return members_pb2.ChangeGroupResponse(
            outcome=outcome,
            reason=reason,
            leader_id=self._driver.status.leader,
            roster=self._known.roster.message(),
        )
