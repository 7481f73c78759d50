"""Machines that join as nodes.

Owns: the answer to ``JoinNode``.  Invariants: the token is checked first, and a caller without one
learns nothing; a token's use and the key of the node's name are written in one transaction,
guarded by what both were, so no token is good for more machines than it says and no name has two
keys; a machine that asks again with the same key gets the same answer.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import Final

from podraft.api import kinds
from podraft.api.cluster.v1 import cluster_pb2
from podraft.server.auth import node_records, tokens
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.identity import check_node_name
from podraft.server.auth.node_records import NodeRecord
from podraft.server.auth.signing_requests import (
    CertificateRequestError,
    key_fingerprint,
    read_request,
)
from podraft.server.auth.tokens import TokenError
from podraft.server.registry import keys
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.encoded_extent import parsed
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.joining.failed_joins import FailedJoins
from podraft.server.registry.joining.join_tokens import checked_token
from podraft.server.state.datastore import (
    Committed,
    Datastore,
    Delete,
    Guard,
    Put,
    Record,
    Transaction,
)

_LOG = logging.getLogger(__name__)

# If two machines use one token or one name at once, the loser tries again.
_ATTEMPTS: Final = 5


class NodeJoins:
    """The exchange of a valid token for a node's certificate, without a client certificate."""

    def __init__(
        self,
        datastore: Datastore,
        authority: CertificateAuthority,
        nodes: NodeRegistry,
        failed: FailedJoins,
    ) -> None:
        self._datastore = datastore
        self._authority = authority
        self._nodes = nodes
        self._failed = failed

    async def answer(self, data: bytes, peer: str) -> bytes:
        """Return the answer to a request from ``peer`` (its address and port).

        Raises:
            RefusedError: The peer does not join.
        """
        request: cluster_pb2.JoinNodeRequest = parsed(cluster_pb2.JoinNodeRequest, data)
        with self._failed.counted(peer, f'node "{request.node_name[:64]}"'):
            return (await self._join(request)).SerializeToString()

    async def _join(self, request: cluster_pb2.JoinNodeRequest) -> cluster_pb2.Certificate:
        await checked_token(self._datastore, request.token, tokens.NODE)
        name = request.node_name
        problem = check_node_name(name)
        if problem is not None:
            raise RefusedError(Code.INVALID_ARGUMENT, problem)
        signing_request = request.certificate_signing_request
        try:
            key = key_fingerprint(read_request(signing_request))
            await self._enter(request.token, name, key)
            certificate = self._authority.sign_node(signing_request, name, datetime.now(UTC))
        except CertificateRequestError as error:
            raise RefusedError(Code.INVALID_ARGUMENT, str(error)) from None
        return cluster_pb2.Certificate(
            certificate=certificate, certificate_authority=self._authority.certificate
        )

    async def _enter(self, token: str, name: str, key: str) -> None:
        """Record the use of the token, and ``key`` as the key of ``name``.

        Raises:
            RefusedError: The token or the name is not available.
        """
        for _ in range(_ATTEMPTS):
            stored = await checked_token(self._datastore, token, tokens.NODE)
            try:
                used = tokens.used_by_node(stored.value, name, key)
            except TokenError as error:
                raise RefusedError(Code.UNAUTHENTICATED, str(error)) from None
            at = node_records.key_of(name)
            found = await self._datastore.get(at)
            await self._check_name(name, key, found, stored.value)
            record = NodeRecord(key)
            own = Guard(at, found.mod_revision if found is not None else 0)
            old = [each for each in self._nodes.forgotten(time.time()) if each.key != at]
            guards = (Guard(stored.key, stored.mod_revision), own, *old)
            # Written even if nothing changes, so that what was read is known to be still true.
            writes: tuple[Put | Delete, ...] = (
                Put(stored.key, used, stamped=False),
                Put(at, record.encode(), stamped=False),
                *(Delete(each.key) for each in old),
            )
            outcome = await self._datastore.transact(Transaction(guards, writes))
            if isinstance(outcome, Committed):
                self._nodes.took(name, record, outcome.revision)
                _LOG.info('node "%s" has joined', name)
                return
        raise RefusedError(Code.ABORTED, "the token or the name is being used by others; try again")

    async def _check_name(self, name: str, key: str, found: Record | None, token: bytes) -> None:
        record = NodeRecord.decode(found.value) if found is not None else None
        exists = record is None and await self._exists(name)
        named = tokens.facts_of(b"", token, tokens.NODE).name == name
        reason = node_records.why_not_joining(name, key, record, node_exists=exists, named=named)
        if reason:
            raise RefusedError(Code.FAILED_PRECONDITION, reason)

    async def _exists(self, name: str) -> bool:
        return await self._datastore.get(keys.of_object(kinds.NODE, "", name)) is not None
