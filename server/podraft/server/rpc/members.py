"""The servers that keep the state, for whoever asks.

Owns: the handlers of ``MemberService``.  Invariant: listing asks nobody else, so that it answers
even while there is no leader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from podraft.api.cluster.v1 import member_pb2
from podraft.server.auth.authorize import MEMBERS, Attributes
from podraft.server.replication.group import GroupView, MemberView, StoreMode
from podraft.server.rpc.access import Caller, Callers
from podraft.server.rpc.services import Methods, unary_methods

_SERVICE: Final = "/podraft.api.cluster.v1.MemberService/"
_MODES: Final = {
    StoreMode.SINGLE: member_pb2.STORE_MODE_SINGLE,
    StoreMode.GROUP: member_pb2.STORE_MODE_GROUP,
    StoreMode.EXTERNAL: member_pb2.STORE_MODE_EXTERNAL,
}

LookAtGroup: TypeAlias = Callable[[], GroupView]


class MemberService:
    """Lists the servers; ``look`` returns what this one knows of them."""

    def __init__(self, look: LookAtGroup, cluster_id: str) -> None:
        self._look = look
        self._cluster_id = cluster_id

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""
        return unary_methods(
            callers, {f"{_SERVICE}ListMembers": (member_pb2.ListMembersRequest, self._list)}
        )

    async def _list(self, request: member_pb2.ListMembersRequest, caller: Caller) -> bytes:
        caller(Attributes("list", None, subresource=MEMBERS))
        return list_response(self._look(), self._cluster_id).SerializeToString()


def list_response(group: GroupView, cluster_id: str) -> member_pb2.ListMembersResponse:
    """Return what ``group`` says, in the contract's words."""
    members = sorted(group.members, key=lambda member: member.name)
    return member_pb2.ListMembersResponse(
        members=[member_message(group, member) for member in members],
        mode=_MODES[group.mode],
        answering_id=group.me,
        leader_id=group.leader,
        term=group.term,
        cluster_id=cluster_id,
        commit_index=group.commit,
    )


def member_message(group: GroupView, member: MemberView) -> member_pb2.Member:
    """Return one member, in the contract's words."""
    voter = member_pb2.MEMBER_ROLE_VOTER
    message = member_pb2.Member(
        name=member.name,
        id=member.id,
        role=voter if member.voter else member_pb2.MEMBER_ROLE_LEARNER,
        peer_address=member.peer_address,
        api_addresses=member.api_addresses,
        leader=member.id == group.leader,
        reachable=member.reachable,
    )
    if member.match is not None:
        message.match_index = member.match
        message.lag = max(group.last_index - member.match, 0)
    return message
