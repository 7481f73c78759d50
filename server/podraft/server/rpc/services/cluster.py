"""Commit, and the calls about the cluster as a whole: version, join tokens, certificates.

Owns: the methods of ``CommitService``, the handlers of ``ClusterService``.  Invariants: a
certificate's subject is what the server knows of the caller, and its key the one that the caller
has shown, never what the request says.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from podraft.api import times
from podraft.api.cluster.v1 import cluster_pb2, commit_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.server.auth import tokens
from podraft.server.auth.authorize import CERTIFICATES, JOIN_TOKENS, VERSION, Attributes
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.identity import check_node_name
from podraft.server.auth.signing_requests import (
    CertificateRequestError,
    key_fingerprint,
    read_request,
)
from podraft.server.auth.tokens import TokenFacts
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.errors import invalid
from podraft.server.registry.joining import join_tokens
from podraft.server.registry.writes.commits import Commits
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, unary_methods
from podraft.server.rpc.joining.door import JoinDoor
from podraft.server.state.datastore import Datastore

_COMMIT: Final = "/podraft.api.cluster.v1.CommitService/"
_CLUSTER: Final = "/podraft.api.cluster.v1.ClusterService/"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The answer of `GetVersion`."""

    version: str
    cluster_id: str
    started_at: datetime


def commit_methods(commits: Commits, callers: Callers) -> Methods:
    """Return the handlers of ``CommitService``."""
    return unary_methods(callers, {f"{_COMMIT}Commit": (commit_pb2.CommitRequest, commits.commit)})


class ClusterService:
    """Version, join tokens and the renewal of certificates."""

    def __init__(
        self,
        datastore: Datastore,
        authority: CertificateAuthority,
        facts: ClusterFacts,
        nodes: NodeRegistry,
        door: JoinDoor,
    ) -> None:
        self._door = door
        self._datastore = datastore
        self._authority = authority
        self._nodes = nodes
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
                f"{_CLUSTER}ListJoinTokens": (
                    cluster_pb2.ListJoinTokensRequest,
                    self._list_join_tokens,
                ),
                f"{_CLUSTER}DeleteJoinToken": (
                    cluster_pb2.DeleteJoinTokenRequest,
                    self._delete_join_token,
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
        join_tokens.check_lifetime(lifetime_s)
        uses = request.uses or 1
        join_tokens.check_uses(uses)
        name = request.node_name
        if name:
            problem = check_node_name(name)
            if problem is not None:
                raise invalid("nodeName", problem)
            if uses > 1:
                raise invalid("uses", "a token for one name is for one machine")
        token = await join_tokens.create_join_token(
            self._datastore, self._authority, lifetime_s, name=name, uses=uses
        )
        # A machine is likely to join at once.
        await self._door.look()
        return token.SerializeToString()

    async def _list_join_tokens(
        self, request: cluster_pb2.ListJoinTokensRequest, caller: Caller
    ) -> bytes:
        caller(Attributes("list", None, subresource=JOIN_TOKENS))
        listed = [_token_facts(facts) for facts in await join_tokens.listed_tokens(self._datastore)]
        return cluster_pb2.ListJoinTokensResponse(tokens=listed).SerializeToString()

    async def _delete_join_token(
        self, request: cluster_pb2.DeleteJoinTokenRequest, caller: Caller
    ) -> bytes:
        caller(Attributes("delete", None, subresource=JOIN_TOKENS))
        await join_tokens.delete_token(self._datastore, request.id)
        return cluster_pb2.DeleteJoinTokenResponse().SerializeToString()

    async def _renew_certificate(
        self, request: cluster_pb2.RenewCertificateRequest, caller: Caller
    ) -> bytes:
        caller(Attributes("create", None, subresource=CERTIFICATES))
        identity, now = caller.identity, datetime.now(UTC)
        signing_request = request.certificate_signing_request
        node_name = identity.node_name
        try:
            key = key_fingerprint(read_request(signing_request))
            if caller.proof is None or key != caller.proof.key:
                raise CertificateRequestError(
                    "a certificate is renewed for its own key only; who wants another key joins "
                    "again, as an administrator allows"
                )
            if node_name is not None:
                certificate = self._authority.sign_node(signing_request, node_name, now)
                await self._nodes.renewed(node_name)
            else:
                certificate = self._authority.sign_client(signing_request, identity, now)
        except CertificateRequestError as error:
            raise invalid("certificateSigningRequest", str(error)) from None
        return cluster_pb2.Certificate(
            certificate=certificate, certificate_authority=self._authority.certificate
        ).SerializeToString()


def _token_facts(facts: TokenFacts) -> cluster_pb2.JoinTokenFacts:
    return cluster_pb2.JoinTokenFacts(
        id=facts.id,
        for_member=facts.kind is tokens.MEMBER,
        name=facts.name,
        expires_at=meta_pb2.Time(seconds=facts.expires_at_s),
        uses=facts.uses,
        uses_left=facts.uses_left,
    )
