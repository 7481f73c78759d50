"""The servers that keep the cluster's state: listing and changing them.

Owns: the calls of ``MemberService``.  Invariant: as everywhere, every failure is an
`errors.ApiError`.
"""

from __future__ import annotations

from typing import Final

from podraft.api.cluster.v1 import member_pb2
from podraft.client.connection import Connection

_SERVICE: Final = "/podraft.api.cluster.v1.MemberService/"


class MembersClient:
    """The calls, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def list(self) -> member_pb2.ListMembersResponse:
        """Return the servers, as the one that answers sees them; needs no leader."""
        request = member_pb2.ListMembersRequest()
        return await self._connection.read(
            f"{_SERVICE}ListMembers", request, member_pb2.ListMembersResponse.FromString
        )
