"""Users: their certificates, who they are, and the end of their access.

Owns: the handlers of ``UserService``.  Invariants: whoever makes a user may act as it and as its
groups already, so a certificate hands on no right; names of the cluster's own parts are never
certified; the private key stays with the client.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from podraft.api.cluster.v1 import cluster_pb2, user_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.server.auth import user_records
from podraft.server.auth.authorize import USERS, Attributes
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.identity import Identity
from podraft.server.auth.signing_requests import (
    CertificateRequestError,
    key_fingerprint,
    read_request,
)
from podraft.server.auth.user_records import GROUPS_MAX, LIFETIME_S_DEFAULT, UserRecord
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.user_registry import UserRegistry
from podraft.server.registry.errors import invalid
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, unary_methods

_USERS: Final = "/podraft.api.cluster.v1.UserService/"


class UserService:
    """The makers and enders of users."""

    def __init__(self, users: UserRegistry, authority: CertificateAuthority) -> None:
        self._users = users
        self._authority = authority

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""
        return unary_methods(
            callers,
            {
                f"{_USERS}CreateUser": (user_pb2.CreateUserRequest, self._create),
                f"{_USERS}ListUsers": (user_pb2.ListUsersRequest, self._list),
                f"{_USERS}RevokeUser": (user_pb2.RevokeUserRequest, self._revoke),
            },
        )

    async def _create(self, request: user_pb2.CreateUserRequest, caller: Caller) -> bytes:
        name, groups = request.name, sorted(set(request.groups))
        caller(Attributes("create", None, "", name, USERS))
        _check_name(name)
        if len(groups) > GROUPS_MAX:
            raise invalid("groups", f"a user is in at most {GROUPS_MAX} groups, not {len(groups)}")
        for index, group in enumerate(groups):
            problem = user_records.check_name(group, "a group's name")
            if problem is not None:
                raise invalid(f"groups[{index}]", problem)
        identity = Identity(name, frozenset(groups))
        caller.check_may_act_as(identity)
        lifetime_s = request.lifetime_seconds or LIFETIME_S_DEFAULT
        low, high = user_records.LIFETIME_S_MIN, user_records.LIFETIME_S_MAX
        if not low <= lifetime_s <= high:
            raise invalid("lifetimeSeconds", f"expected {low} to {high}, got {lifetime_s}")
        now, signing_request = datetime.now(UTC), request.certificate_signing_request
        try:
            key = key_fingerprint(read_request(signing_request))
            certificate = self._authority.sign_client(
                signing_request, identity, now, timedelta(seconds=lifetime_s)
            )
        except CertificateRequestError as error:
            raise invalid("certificateSigningRequest", str(error)) from None
        expires_at_s = int(now.timestamp()) + lifetime_s
        await self._users.admit(name, key, expires_at_s, groups, caller.identity.user)
        return cluster_pb2.Certificate(
            certificate=certificate, certificate_authority=self._authority.certificate
        ).SerializeToString()

    async def _list(self, request: user_pb2.ListUsersRequest, caller: Caller) -> bytes:
        caller(Attributes("list", None, subresource=USERS))
        now_s = time.time()
        users = [
            _told(name, record)
            for name, record in await self._users.listed()
            if not record.is_forgotten(now_s)
        ]
        return user_pb2.ListUsersResponse(users=users).SerializeToString()

    async def _revoke(self, request: user_pb2.RevokeUserRequest, caller: Caller) -> bytes:
        caller(Attributes("delete", None, "", request.name, USERS))
        _check_name(request.name)
        await self._users.revoke(request.name)
        return user_pb2.RevokeUserResponse().SerializeToString()


def _check_name(name: str) -> None:
    problem = user_records.check_name(name)
    if problem is not None:
        raise invalid("name", problem)


def _told(name: str, record: UserRecord) -> user_pb2.User:
    return user_pb2.User(
        name=name,
        groups=record.groups,
        created_by=record.created_by,
        created_at=_time(record.created_at_s),
        expires_at=_time(record.expires_at_s),
        revoked_at=_time(record.revoked_at_s),
        certificates=len(record.keys),
    )


def _time(seconds: int) -> meta_pb2.Time | None:
    return meta_pb2.Time(seconds=seconds) if seconds else None
