"""The servers that keep the state, in the contract's words.

Owns: what callers are told of the servers, and why the group cannot be changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

from podraft.api.cluster.v1 import member_pb2
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.replication.core.roster import MEMBER_NAME
from podraft.server.replication.membership.administration import Administration
from podraft.server.replication.membership.group import GroupView, MemberView, StoreMode
from podraft.server.replication.membership.group_leading import ChangeNotAllowedError

_MODES: Final = {
    StoreMode.SINGLE: member_pb2.STORE_MODE_SINGLE,
    StoreMode.GROUP: member_pb2.STORE_MODE_GROUP,
    StoreMode.EXTERNAL: member_pb2.STORE_MODE_EXTERNAL,
}
_NO_GROUP: Final = {
    StoreMode.SINGLE: "this server keeps the state alone: start it once with --member-address "
    "HOST:PORT, which makes it the first member of a group",
    StoreMode.EXTERNAL: "the state is kept in etcd: its members are etcd's business, and any "
    "number of servers can use it",
}

ResultT = TypeVar("ResultT")
LookAtGroup: TypeAlias = Callable[[], GroupView]


def without_leader(group: GroupView) -> str:
    """Return the reason why nothing can be changed now."""
    away = [member.name for member in group.members if member.voter and not member.reachable]
    if not away:
        return "no member leads now; nothing was changed, try again"
    return (
        f"no member leads: {', '.join(sorted(away))} cannot be reached. A majority of the voters "
        "must run for any change; if it is lost for good, see `podraft-server recover --help`"
    )


def group_of(administration: Administration | None, group: GroupView) -> Administration:
    """Return the administration that changes the group.

    Raises:
        RefusedError: There is none.
    """
    if administration is None:
        raise RefusedError(Code.FAILED_PRECONDITION, _NO_GROUP[group.mode])
    return administration


async def carried_out(change: Awaitable[ResultT]) -> ResultT:
    """Return the result of a change of the group.

    Raises:
        RefusedError: The group does not allow it.
    """
    try:
        return await change
    except ChangeNotAllowedError as error:
        raise RefusedError(Code.FAILED_PRECONDITION, str(error)) from None


def check_member_name(name: str) -> None:
    """Refuse a name that no member can have.

    Raises:
        RefusedError: The name is not valid.
    """
    if not MEMBER_NAME.fullmatch(name):
        raise invalid("name", f"{name!r}: expected 1 to 32 lower-case letters, digits and '-'")


def list_response(group: GroupView, cluster_id: str) -> member_pb2.ListMembersResponse:
    """Return the members of ``group``, in the contract's words."""
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
        if group.me == group.leader:
            message.lag = max(group.last_index - member.match, 0)
    return message
