"""Users: making, listing and revoking them.

Owns: the calls of ``UserService``.  Invariant: as everywhere, every failure is an
`errors.ApiError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podraft.api.cluster.v1 import cluster_pb2, user_pb2
from podraft.client.connecting.connection import Connection

_SERVICE: Final = "/podraft.api.cluster.v1.UserService/"


class UsersClient:
    """The calls about users on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self,
        name: str,
        certificate_signing_request: bytes,
        *,
        groups: Sequence[str] = (),
        lifetime_s: int = 0,
    ) -> cluster_pb2.Certificate:
        """Return a certificate for a user's key, valid for ``lifetime_s`` (0: 90 days).

        Raises:
            ForbiddenError: The caller may not make the user, or act as one of its groups.
            InvalidError: The name is reserved, or the signing request is none.
        """
        request = user_pb2.CreateUserRequest(
            name=name,
            groups=groups,
            certificate_signing_request=certificate_signing_request,
            lifetime_seconds=lifetime_s,
        )
        path = f"{_SERVICE}CreateUser"
        # Certifying the same key again does no harm.
        return await self._connection.write(path, request, cluster_pb2.Certificate.FromString)

    async def list(self) -> Sequence[user_pb2.User]:
        """Return the users whose certificates the cluster remembers, by name."""
        request = user_pb2.ListUsersRequest()
        path = f"{_SERVICE}ListUsers"
        answer = await self._connection.read(path, request, user_pb2.ListUsersResponse.FromString)
        return answer.users

    async def revoke(self, name: str) -> None:
        """End all certificates of a user, and the calls and streams that use them."""
        request = user_pb2.RevokeUserRequest(name=name)
        path = f"{_SERVICE}RevokeUser"
        await self._connection.write(path, request, user_pb2.RevokeUserResponse.FromString)
