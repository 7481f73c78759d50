"""The servers that keep the state: listed for every caller, changed for administrators.

Owns: the handlers of ``MemberService``.  Invariant: listing asks no other server, so that it
answers even while there is no leader.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from podraft.api.cluster.v1 import member_pb2
from podraft.server.auth import tokens
from podraft.server.auth.authorize import MEMBERS, Attributes, Verb
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.raft.entries import NOBODY
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.joining.group import (
    LookAtGroup,
    carried_out,
    check_member_name,
    group_of,
    list_response,
    member_message,
    without_leader,
)
from podraft.server.registry.joining.join_tokens import check_lifetime, create_join_token
from podraft.server.replication.membership.administration import Administration
from podraft.server.replication.membership.group import MemberView
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, unary_methods
from podraft.server.rpc.joining.door import JoinDoor
from podraft.server.state.datastore import Datastore, StoreUnavailableError

MEMBER_TOKEN_LIFETIME_S: Final = 3600

_SERVICE: Final = "/podraft.api.cluster.v1.MemberService/"


class MemberService:
    """The list of the servers, and its changes; ``look`` returns what this server knows of them.

    ``administration`` is None where there is no group.
    """

    def __init__(
        self,
        look: LookAtGroup,
        cluster_id: str,
        administration: Administration | None,
        datastore: Datastore,
        authority: CertificateAuthority,
        door: JoinDoor,
    ) -> None:
        self._door = door
        self._look = look
        self._cluster_id = cluster_id
        self._administration = administration
        self._datastore = datastore
        self._authority = authority

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""
        return unary_methods(
            callers,
            {
                f"{_SERVICE}ListMembers": (member_pb2.ListMembersRequest, self._list),
                f"{_SERVICE}AddMember": (member_pb2.AddMemberRequest, self._add),
                f"{_SERVICE}PromoteMember": (member_pb2.PromoteMemberRequest, self._promote),
                f"{_SERVICE}RemoveMember": (member_pb2.RemoveMemberRequest, self._remove),
                f"{_SERVICE}TransferLeadership": (
                    member_pb2.TransferLeadershipRequest,
                    self._transfer,
                ),
            },
        )

    async def _list(self, request: member_pb2.ListMembersRequest, caller: Caller) -> bytes:
        caller(Attributes("list", None, subresource=MEMBERS))
        return list_response(self._look(), self._cluster_id).SerializeToString()

    async def _add(self, request: member_pb2.AddMemberRequest, caller: Caller) -> bytes:
        caller(Attributes("create", None, subresource=MEMBERS))
        group_of(self._administration, self._look())
        lifetime_s = request.lifetime_seconds or MEMBER_TOKEN_LIFETIME_S
        check_lifetime(lifetime_s)
        if request.name:
            check_member_name(request.name)
            if any(member.name == request.name for member in self._look().members):
                raise RefusedError(
                    Code.ALREADY_EXISTS, f"there is a member {request.name}: remove it first"
                )
        made = await create_join_token(
            self._datastore, self._authority, lifetime_s, tokens.MEMBER, request.name
        )
        # A machine is likely to join at once.
        await self._door.look()
        token = member_pb2.MemberToken(
            token=made.token, expires_at=made.expires_at, join_address=self._join_address()
        )
        return token.SerializeToString()

    def _join_address(self) -> str:
        group = self._look()
        me = next((member for member in group.members if member.id == group.me), None)
        if me is None or not me.api_addresses:
            return ""
        return f"{me.api_addresses[0].rpartition(':')[0]}:{self._door.port}"

    async def _promote(self, request: member_pb2.PromoteMemberRequest, caller: Caller) -> bytes:
        administration = self._changing(caller, "update")
        member = await self._member(request.name)
        await carried_out(administration.promote(member.id))
        return self._message(replace(member, voter=True))

    async def _remove(self, request: member_pb2.RemoveMemberRequest, caller: Caller) -> bytes:
        administration = self._changing(caller, "delete")
        member = await self._member(request.name)
        await carried_out(administration.remove(member.id, force=request.force))
        return self._message(member)

    async def _transfer(
        self, request: member_pb2.TransferLeadershipRequest, caller: Caller
    ) -> bytes:
        administration = self._changing(caller, "update")
        target = (await self._member(request.name)).id if request.name else NOBODY
        leader = await carried_out(administration.lead(target))
        group = replace(self._look(), leader=leader)
        member = next(member for member in group.members if member.id == leader)
        return member_message(group, member).SerializeToString()

    def _changing(self, caller: Caller, verb: Verb) -> Administration:
        caller(Attributes(verb, None, subresource=MEMBERS))
        return group_of(self._administration, self._look())

    async def _member(self, name: str) -> MemberView:
        if not name:
            raise invalid("name", "expected a member's name")
        try:
            # Linearizable: another member may have changed the group just now.
            await self._datastore.range(b"_", limit=1)
        except StoreUnavailableError:
            raise RefusedError(Code.UNAVAILABLE, without_leader(self._look())) from None
        for member in self._look().members:
            if member.name == name:
                return member
        raise RefusedError(Code.NOT_FOUND, f'there is no member "{name}"')

    def _message(self, member: MemberView) -> bytes:
        return member_message(self._look(), member).SerializeToString()
