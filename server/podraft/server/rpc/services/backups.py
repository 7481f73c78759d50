"""The backup service: a copy of the state, streamed while the cluster works.

Owns: the one method, and how many backups may run at once.  Invariant: only administrators get a
copy, because it holds every Secret.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from podraft.api.cluster.v1 import backup_pb2
from podraft.server.auth.authorize import Attributes
from podraft.server.budgets.budget import Resource
from podraft.server.encryption.key_encryption import EncryptionError, KeyEncryption
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, stream_method
from podraft.server.state.datastore import Datastore
from podraft.server.store.backup.backup_format import BackupEncoder, BackupFacts, new_backup_key
from podraft.server.store.backup.backups import chunks
from podraft.server.store.options import wall_clock_ms

_LOG = logging.getLogger(__name__)

_METHOD: Final = "/podraft.api.cluster.v1.BackupService/Backup"
_BACKUPS: Final = "backups"
_AT_ONCE_MAX: Final = 2


class BackupService:
    """Streamed backups of ``datastore``, whose keys ``keys`` wraps.

    ``refusal`` says why there are no backups, if there are none.
    """

    def __init__(
        self, datastore: Datastore, cluster_id: str, keys: KeyEncryption, refusal: str = ""
    ) -> None:
        self._keys = keys
        self._datastore = datastore
        self._cluster_id = cluster_id
        self._refusal = refusal
        self._running = 0

    def methods(self, callers: Callers) -> Methods:
        """Return the service's handlers."""

        # The request is empty, so it is not read.
        async def serve(caller: Caller, call: Call, _: AsyncIterator[bytes]) -> None:
            attributes = Attributes("get", None, subresource=_BACKUPS)
            caller(attributes)
            with callers.live.held(caller, attributes):
                await self._backup(call)

        return {_METHOD: stream_method(callers, _METHOD, Resource.STREAMS, serve)}

    async def _backup(self, call: Call) -> None:
        if self._refusal:
            raise RefusedError(Code.FAILED_PRECONDITION, self._refusal)
        if self._running >= _AT_ONCE_MAX:
            raise RefusedError(
                Code.RESOURCE_EXHAUSTED, f"{self._running} backups are being made already"
            )
        self._running += 1
        try:
            await self._stream(call)
        finally:
            self._running -= 1

    async def _stream(self, call: Call) -> None:
        # Linearizable on every engine, unlike the revision that this process has seen.
        revision = (await self._datastore.range(b"_", limit=1)).revision
        cluster_id = uuid.UUID(self._cluster_id).bytes
        facts = BackupFacts(cluster_id, revision, wall_clock_ms())
        try:
            key = await asyncio.to_thread(new_backup_key, self._keys)
        except EncryptionError as error:
            _LOG.error("no backup can be made: %s", error)
            raise RefusedError(
                Code.FAILED_PRECONDITION,
                "the server's key-encryption key cannot be used; its log says why",
            ) from None
        encoder = BackupEncoder(facts, key)
        async with aclosing(chunks(self._datastore, encoder, revision)) as pieces:
            async for piece in pieces:
                chunk = backup_pb2.BackupChunk(data=piece)
                await call.send(chunk.SerializeToString())
        summary = backup_pb2.BackupSummary(
            cluster_id=self._cluster_id,
            revision=revision,
            records=encoder.records,
            bytes=encoder.bytes,
            sha256=encoder.sha256,
        )
        summary.time.seconds = facts.time_ms // 1000
        await call.send(backup_pb2.BackupChunk(summary=summary).SerializeToString())
