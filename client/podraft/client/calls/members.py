"""The servers that keep the cluster's state: listing and changing them.

Owns: the calls of ``MemberService``.  Invariant: as everywhere, every failure is an
`errors.ApiError`.
"""

from __future__ import annotations

from typing import Final

from podraft.api.cluster.v1 import member_pb2
from podraft.client.connecting.connection import Connection

_SERVICE: Final = "/podraft.api.cluster.v1.MemberService/"


class MembersClient:
    """The member calls on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self) -> member_pb2.ListMembersResponse:
        """Return the servers, as the answering one sees them; no leader is needed."""
        return await self._connection.list_members()

    async def add(self, name: str = "", lifetime_s: int = 0) -> member_pb2.MemberToken:
        """Return a secret that lets one server join within ``lifetime_s`` (0: an hour)."""
        request = member_pb2.AddMemberRequest(name=name, lifetime_seconds=lifetime_s)
        path = f"{_SERVICE}AddMember"
        return await self._connection.call(path, request, member_pb2.MemberToken.FromString)

    async def promote(self, name: str) -> member_pb2.Member:
        """Promote a learner that has caught up to a voter."""
        request = member_pb2.PromoteMemberRequest(name=name)
        path = f"{_SERVICE}PromoteMember"
        return await self._connection.call(path, request, member_pb2.Member.FromString)

    async def remove(self, name: str, *, force: bool = False) -> member_pb2.Member:
        """Remove a member for good; with ``force``, even if the rest are no majority."""
        request = member_pb2.RemoveMemberRequest(name=name, force=force)
        path = f"{_SERVICE}RemoveMember"
        return await self._connection.call(path, request, member_pb2.Member.FromString)

    async def transfer_leadership(self, name: str = "") -> member_pb2.Member:
        """Hand leadership to a voter, the best one if none is named; return the new leader."""
        request = member_pb2.TransferLeadershipRequest(name=name)
        path = f"{_SERVICE}TransferLeadership"
        return await self._connection.call(path, request, member_pb2.Member.FromString)
