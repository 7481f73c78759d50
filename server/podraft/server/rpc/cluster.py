"""Commit, and what concerns the cluster as a whole: version, join tokens, certificates.

Owns: the handlers of ``CommitService``, ``ClusterService`` and ``JoinService``.
Invariants: a certificate's subject is what the server knows of the caller, never
what the request says; a token's secret is neither stored nor logged.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import grpc

from podraft.api import kinds, times
from podraft.api.cluster.v1 import cluster_pb2, commit_pb2
from podraft.api.coordination.v1.lease_pb2 import Lease
from podraft.api.meta.v1 import meta_pb2
from podraft.server.auth import tokens
from podraft.server.auth.authorize import (
    CERTIFICATES,
    JOIN_TOKENS,
    NODE_LEASE_NAMESPACE,
    VERSION,
    Attributes,
)
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.signing_requests import CertificateRequestError
from podraft.server.auth.tokens import TokenError
from podraft.server.rpc import errors, keys, wire
from podraft.server.rpc.access import Caller, Callers
from podraft.server.rpc.errors import Code, RefusedError, invalid
from podraft.server.rpc.operations import of_write
from podraft.server.rpc.services import Context, Handler, Methods, unary_methods
from podraft.server.rpc.writes import Outcome, Writer
from podraft.server.state.datastore import Committed, Datastore, Delete, Put, Transaction

WRITES_MAX: Final = 5000
TOKENS_MAX: Final = 1000
TOKEN_LIFETIME_S_MIN: Final = 60
TOKEN_LIFETIME_S_MAX: Final = 604_800

_TYPE_URL: Final = "type.googleapis.com/"
_COMMIT: Final = "/podraft.api.cluster.v1.CommitService/"
_CLUSTER: Final = "/podraft.api.cluster.v1.ClusterService/"
_JOIN: Final = "/podraft.api.cluster.v1.JoinService/"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What `GetVersion` tells."""

    version: str
    cluster_id: str
    started_at: datetime


class CommitService:
    """Many writes, one transaction."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""
        return unary_methods(
            callers, {f"{_COMMIT}Commit": (commit_pb2.CommitRequest, self._commit)}
        )

    async def _commit(self, request: commit_pb2.CommitRequest, caller: Caller) -> bytes:
        if len(request.writes) > WRITES_MAX:
            raise RefusedError(
                Code.RESOURCE_EXHAUSTED,
                f"the commit has {len(request.writes)} writes; at most {WRITES_MAX} are taken",
            )
        operations = []
        for index, write in enumerate(request.writes):
            try:
                operations.append(of_write(write))
            except RefusedError as error:
                raise errors.located(error, index) from None
        outcome = await self._writer.write(
            operations,
            caller,
            dry_run=request.options.dry_run,
            numbered=True,
            request_id=request.options.request_id,
        )
        return _commit_response(outcome, omit_objects=request.omit_objects)


def _commit_response(outcome: Outcome, *, omit_objects: bool) -> bytes:
    revision = str(outcome.revision) if outcome.revision else ""
    head = commit_pb2.CommitResponse(resource_version=revision).SerializeToString()
    if omit_objects:
        return head
    parts = [head]
    for index, result in enumerate(outcome.results):
        type_url = _TYPE_URL + result.kind.message.DESCRIPTOR.full_name
        parts.append(wire.encode_any(2, type_url, outcome.encoded(index)))
    return b"".join(parts)


class ClusterService:
    """Version, join tokens and the renewal of certificates."""

    def __init__(
        self, datastore: Datastore, authority: CertificateAuthority, facts: ClusterFacts
    ) -> None:
        self._datastore = datastore
        self._authority = authority
        self._facts = facts

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""
        return unary_methods(
            callers,
            {
                f"{_CLUSTER}GetVersion": (cluster_pb2.GetVersionRequest, self._get_version),
                f"{_CLUSTER}CreateJoinToken": (
                    cluster_pb2.CreateJoinTokenRequest,
                    self._create_join_token,
                ),
                f"{_CLUSTER}RenewCertificate": (
                    cluster_pb2.RenewCertificateRequest,
                    self._renew_certificate,
                ),
            },
        )

    async def _get_version(self, request: cluster_pb2.GetVersionRequest, caller: Caller) -> bytes:
        caller(Attributes("get", None, subresource=VERSION))
        facts = self._facts
        return cluster_pb2.Version(
            version=facts.version,
            cluster_id=facts.cluster_id,
            resource_version=str(self._datastore.revision),
            started_at=times.time_of(facts.started_at),
            python_version=platform.python_version(),
        ).SerializeToString()

    async def _create_join_token(
        self, request: cluster_pb2.CreateJoinTokenRequest, caller: Caller
    ) -> bytes:
        caller(Attributes("create", None, subresource=JOIN_TOKENS))
        lifetime_s = request.lifetime_seconds or tokens.LIFETIME_S_DEFAULT
        check_lifetime(lifetime_s)
        token = await create_join_token(self._datastore, self._authority, lifetime_s)
        return token.SerializeToString()

    async def _renew_certificate(
        self, request: cluster_pb2.RenewCertificateRequest, caller: Caller
    ) -> bytes:
        caller(Attributes("create", None, subresource=CERTIFICATES))
        identity, now = caller.identity, datetime.now(UTC)
        signing_request = request.certificate_signing_request
        node_name = identity.node_name
        try:
            if node_name is not None:
                certificate = self._authority.sign_node(signing_request, node_name, now)
            else:
                certificate = self._authority.sign_client(signing_request, identity, now)
        except CertificateRequestError as error:
            raise invalid("certificateSigningRequest", str(error)) from None
        return _certificate(certificate, self._authority)


class JoinService:
    """Turns a valid token into a node's certificate; asks for no client certificate."""

    def __init__(self, datastore: Datastore, authority: CertificateAuthority) -> None:
        self._datastore = datastore
        self._authority = authority

    def methods(self) -> Methods:
        """Return the service's handlers."""
        handler: Handler = grpc.unary_unary_rpc_method_handler(
            self._handle,
            request_deserializer=cluster_pb2.JoinNodeRequest.FromString,
            response_serializer=None,
        )
        return {f"{_JOIN}JoinNode": handler}

    async def _handle(self, request: cluster_pb2.JoinNodeRequest, context: Context) -> bytes:
        try:
            return await self._join(request)
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            await errors.abort(context, error)

    async def _join(self, request: cluster_pb2.JoinNodeRequest) -> bytes:
        try:
            parsed = tokens.parse_token(request.token)
            record = await self._datastore.get(parsed.key)
            stored = record.value if record is not None else None
            tokens.check_token(request.token, stored, time.time())
        except TokenError as error:
            raise RefusedError(Code.UNAUTHENTICATED, str(error)) from None
        now = datetime.now(UTC)
        await self._check_not_alive(request.node_name, now)
        try:
            certificate = self._authority.sign_node(
                request.certificate_signing_request, request.node_name, now
            )
        except CertificateRequestError as error:
            raise RefusedError(Code.INVALID_ARGUMENT, str(error)) from None
        return _certificate(certificate, self._authority)

    async def _check_not_alive(self, name: str, now: datetime) -> None:
        """Check that no living node has the name: a stolen token must not take its place.

        Raises:
            RefusedError: There is such a node, and its agent renews its lease.
        """
        if await self._datastore.get(keys.of_object(kinds.NODE, "", name)) is None:
            return
        record = await self._datastore.get(keys.of_object(kinds.LEASE, NODE_LEASE_NAMESPACE, name))
        if record is None:
            return
        spec = Lease.FromString(record.value).spec
        renewed_s = spec.renew_time.seconds + spec.renew_time.nanos / 1e9
        remaining_s = renewed_s + spec.lease_duration_seconds - now.timestamp()
        if remaining_s > 0:
            raise RefusedError(
                Code.FAILED_PRECONDITION,
                f'node "{name}" is alive: its lease is valid for {remaining_s:.0f} s more; '
                "join with another name, or stop its agent first",
            )


async def create_join_token(
    datastore: Datastore,
    authority: CertificateAuthority,
    lifetime_s: int,
    kind: tokens.TokenKind = tokens.NODE,
    name: str = "",
) -> cluster_pb2.JoinToken:
    """Make and store a join token; tokens that have expired are removed on the way.

    Raises:
        RefusedError: There are too many tokens that have not expired.
    """
    now_s = time.time()
    token = tokens.make_token(
        os.urandom(tokens.RANDOM_BYTES), authority.fingerprint, now_s, lifetime_s, kind, name
    )
    stored = (await datastore.range(kind.key_prefix, limit=TOKENS_MAX)).records
    writes: list[Put | Delete] = [
        Delete(record.key) for record in stored if tokens.is_expired(record.value, now_s)
    ]
    if len(stored) - len(writes) >= TOKENS_MAX:
        raise RefusedError(
            Code.RESOURCE_EXHAUSTED,
            f"there are {TOKENS_MAX} join tokens already: wait until some have expired",
        )
    writes.append(Put(token.key, token.stored, stamped=False))
    outcome = await datastore.transact(Transaction((), tuple(writes)))
    assert isinstance(outcome, Committed)  # Without guards nothing can fail.
    return cluster_pb2.JoinToken(
        token=token.text, expires_at=meta_pb2.Time(seconds=token.expires_at_s)
    )


def check_lifetime(lifetime_s: int) -> None:
    """Refuse a token's lifetime that is too short or too long.

    Raises:
        RefusedError: It is.
    """
    if not TOKEN_LIFETIME_S_MIN <= lifetime_s <= TOKEN_LIFETIME_S_MAX:
        raise invalid(
            "lifetimeSeconds",
            f"expected {TOKEN_LIFETIME_S_MIN} to {TOKEN_LIFETIME_S_MAX}, got {lifetime_s}",
        )


def _certificate(certificate: bytes, authority: CertificateAuthority) -> bytes:
    return cluster_pb2.Certificate(
        certificate=certificate, certificate_authority=authority.certificate
    ).SerializeToString()
