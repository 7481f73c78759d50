"""The store on an etcd v3 cluster.

Owns: the ``Datastore`` over etcd.  Reads and transactions take one call each (reads that come
together share one); all watchers share one watch (``shared_watch``).

Invariant: there is no cache here: every value returned is as new as the call to etcd that read
it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

import grpc

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.encryption.key_encryption import KeyEncryption
from podraft.server.encryption.sealing import Sealer, new_data_key
from podraft.server.external.address import EtcdAddress
from podraft.server.external.connection import EtcdConnection, LeaseLostError, refusal
from podraft.server.external.options import EtcdOptions
from podraft.server.external.point_reads import PointReads
from podraft.server.external.request_lease import RequestLease
from podraft.server.external.sealed_prefix import open_sealer, seal_older
from podraft.server.external.shared_watch import SharedWatch
from podraft.server.external.stream import StreamLostError, changes
from podraft.server.external.translation import (
    ForeignValueError,
    Translation,
    from_etcd,
    to_etcd,
)
from podraft.server.state.commands import check_transaction
from podraft.server.state.datastore import (
    Committed,
    EventBatch,
    FutureRevisionError,
    GuardFailed,
    Outcome,
    Page,
    Record,
    Repeated,
    RevisionCompactedError,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
)

_LOG = logging.getLogger(__name__)

_PAGE_RECORDS: Final = 1_000
_IDENTITY: Final = b"podraft 1 "


class EtcdDatastore:
    """A ``Datastore`` on etcd.  Made by ``open``; belongs to the loop that opened it."""

    def __init__(
        self, connection: EtcdConnection, translation: Translation, options: EtcdOptions
    ) -> None:
        self._connection = connection
        self._translation = translation
        self._options = options
        self._watch = SharedWatch(
            connection, translation, options, refresh=self._refresh, failed=self._fail
        )
        self._request_lease = RequestLease(connection)
        self._point_reads = PointReads(partial(self._txn, repeatable=True))
        # The highest revision that etcd has reported, and the revision of our last write.
        self._revision = 0
        self._written = 0
        self.cluster_id = b""
        self._transactions = 0
        self._closing = False
        self._failure: asyncio.Future[StoreFailedError] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(
        cls,
        address: EtcdAddress,
        keys: KeyEncryption | Sealer,
        *,
        options: EtcdOptions | None = None,
    ) -> EtcdDatastore:
        """Connect to the cluster and begin to follow it.

        ``keys`` wraps the data keys, which are stored below the prefix; if it is a sealer itself,
        no keys are stored there.

        Raises:
            StoreUnavailableError: No member answers.
            StoreFailedError: The key-encryption key is missing, or something else uses the prefix.
        """
        connection = EtcdConnection(address)
        # Until the ring has been read nothing is written, and nothing sealed is read.
        sealer = keys if isinstance(keys, Sealer) else Sealer(new_data_key())
        store = cls(connection, Translation(address.prefix, sealer), options or EtcdOptions())
        try:
            if not isinstance(keys, Sealer):
                txn = partial(store._txn, repeatable=True)
                opened = await open_sealer(address.prefix, keys, txn, store._range)
                store._translation.sealer = opened
                await seal_older(store._translation, txn, store._range)
            store._watch.start(await store._refresh())
        except BaseException:
            await connection.close()
            raise
        return store

    async def claim(self) -> bytes:
        """Return the id of the podraft cluster below this prefix; make it when the prefix is new.

        Raises:
            StoreUnavailableError: etcd does not answer.
            ForeignValueError: The prefix is in use by something else.
        """
        key = self._translation.identity_key
        request = etcd_pb2.TxnRequest()
        request.compare.add(target=etcd_pb2.Compare.MOD, key=key, mod_revision=0)
        value = _IDENTITY + os.urandom(16).hex().encode()
        request.success.add().request_put.MergeFrom(etcd_pb2.PutRequest(key=key, value=value))
        request.failure.add().request_range.key = key
        # Repeatable: a second caller finds what the first one wrote.
        response = await self._txn(request, repeatable=True)
        if not response.succeeded:
            value = response.responses[0].response_range.kvs[0].value
        try:
            self.cluster_id = bytes.fromhex(value.removeprefix(_IDENTITY).decode())
        except ValueError:
            raise ForeignValueError(f"etcd's key {key!r} was not written by podraft") from None
        return self.cluster_id

    @property
    def revision(self) -> int:
        """The highest revision that etcd has reported."""
        return self._revision

    async def failed(self) -> StoreFailedError:
        """Return, once the store has stopped, the error that stopped it: the process must exit.

        An etcd that does not answer does not stop it.  The wait is cancelled when the store closes.
        """
        return await asyncio.shield(self._failure)

    # Reading.

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``, linearizably."""
        self._check_serving()
        found = await self._point_reads.get(self._translation.key(key))
        return self._translation.record(found) if found is not None else None

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``, read from etcd in pages of one revision."""
        first, end = self._translation.span(prefix, start_after)
        records: list[Record] = []
        remaining = 0
        more = first < end
        while more and (not limit or len(records) < limit):
            wanted = min(_PAGE_RECORDS, limit - len(records)) if limit else _PAGE_RECORDS
            response = await self._range(
                etcd_pb2.RangeRequest(
                    key=first,
                    range_end=end,
                    limit=wanted,
                    revision=to_etcd(revision) if revision else 0,
                )
            )
            records += [self._translation.record(found) for found in response.kvs]
            more = response.more
            remaining = response.count - len(response.kvs) if more else 0
            revision = revision or from_etcd(response.header.revision)
            if response.kvs:
                first = response.kvs[-1].key + b"\0"
        return Page(records, revision or await self._refresh(), more, remaining)

    async def _range(self, request: etcd_pb2.RangeRequest) -> etcd_pb2.RangeResponse:
        self._check_serving()
        known = self._revision
        try:
            response = await self._connection.call(
                "etcdserverpb.KV/Range", request, etcd_pb2.RangeResponse, repeatable=True
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                raise await self._not_kept(from_etcd(request.revision)) from None
            raise refusal(error) from None
        self._answered(known, from_etcd(response.header.revision))
        return response

    async def _refresh(self) -> int:
        """Return the current revision."""
        key = self._translation.identity_key
        response = await self._range(etcd_pb2.RangeRequest(key=key, count_only=True))
        return from_etcd(response.header.revision)

    async def _not_kept(self, revision: int) -> Exception:
        """Return why ``revision`` cannot be read."""
        current = await self._refresh()
        if revision > current:
            return FutureRevisionError(revision, current)
        oldest = revision + 1
        span = self._translation.span(b"")
        try:
            # Only a watch learns what the oldest revision is.
            async with (
                asyncio.timeout(1),
                aclosing(changes(self._connection, span, revision)) as stream,
            ):
                async for _ in stream:
                    pass
        except RevisionCompactedError as error:
            oldest = error.oldest
        except (TimeoutError, StreamLostError):
            pass  # The known revision stays a lower bound.
        return RevisionCompactedError(revision, oldest)

    def _answered(self, known: int, revision: int) -> None:
        """Record an answer's revision, which must not be below the one ``known`` at the request.

        Raises:
            StoreFailedError: It is lower: etcd has lost what this process has seen.
        """
        if revision < known:
            error = StoreFailedError(
                f"etcd went back from revision {known} to {revision}: it lost its state or was "
                "restored from a snapshot; restart podraft-server to go on from there"
            )
            self._fail(error)
            raise error
        self._saw(revision)

    def _saw(self, revision: int) -> None:
        self._revision = max(self._revision, revision)

    def _check_serving(self) -> None:
        if self._failure.done() and not self._failure.cancelled():
            raise self._failure.result()
        if self._closing:
            raise StoreFailedError("the store is closed")

    # Writing.

    async def transact(self, transaction: Transaction) -> Outcome:
        """Carry out ``transaction`` as one etcd transaction, with one revision for all of it."""
        self._check_serving()
        check_transaction(transaction)
        if self._transactions >= self._options.transactions:
            raise StoreOverloadedError(f"{self._transactions} transactions wait already")
        self._transactions += 1
        try:
            if transaction.request:
                response = await self._requested_txn(transaction)
            else:
                request = self._translation.transaction(transaction)
                response = await self._txn(request, repeatable=not transaction.writes)
        finally:
            self._transactions -= 1
        revision = from_etcd(response.header.revision)
        if not response.succeeded:
            if repeated := self._translation.repeated(transaction, response):
                return repeated
            return GuardFailed(*self._translation.unmet(transaction, response))
        if transaction.writes:
            self._written = max(self._written, revision)
        return Committed(revision)

    async def _requested_txn(self, transaction: Transaction) -> etcd_pb2.TxnResponse:
        """Carry out a transaction that takes effect once, however often it is sent."""
        lease = await self._request_lease.current()
        try:
            request = self._translation.transaction(transaction, lease)
            return await self._txn(request, repeatable=True)
        except LeaseLostError:
            self._request_lease.forget(lease)
            lease = await self._request_lease.current()
            request = self._translation.transaction(transaction, lease)
            return await self._txn(request, repeatable=True)

    async def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect; None if that is not known."""
        key = self._translation.request_key(request)
        response = await self._range(etcd_pb2.RangeRequest(key=key))
        return self._translation.remembered(response.kvs)

    async def _txn(self, request: etcd_pb2.TxnRequest, *, repeatable: bool) -> etcd_pb2.TxnResponse:
        known = self._revision
        try:
            response = await self._connection.call(
                "etcdserverpb.KV/Txn", request, etcd_pb2.TxnResponse, repeatable=repeatable
            )
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from None
        self._answered(known, from_etcd(response.header.revision))
        return response

    async def compact(self, revision: int) -> None:
        """Make etcd forget the history below ``revision``: that of all its users, not only ours."""
        self._check_serving()
        if revision > self._revision and revision > (current := await self._refresh()):
            raise FutureRevisionError(revision, current)
        request = etcd_pb2.CompactionRequest(revision=to_etcd(revision))
        try:
            await self._connection.call(
                "etcdserverpb.KV/Compact", request, etcd_pb2.CompactionResponse, repeatable=True
            )
        except grpc.aio.AioRpcError as error:
            # Being compacted that far already is what was asked for.
            if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                raise refusal(error) from None

    # Watching.

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncGenerator[EventBatch, None]:
        """Yield the changes after ``start_revision``, then live ones."""
        self._check_serving()
        if start_revision > self._revision and start_revision > await self._refresh():
            raise FutureRevisionError(start_revision, self._revision)
        async with aclosing(self._watch.after(prefix, start_revision)) as batches:
            async for batch in batches:
                self._saw(batch.revision)
                yield batch

    # The end.

    def _fail(self, error: StoreFailedError) -> None:
        if not self._failure.done():
            _LOG.error("%s", error)
            self._failure.set_result(error)
        self._watch.fail(error)

    async def close(self) -> None:
        """Deliver acknowledged changes to the watchers, then disconnect; closing twice is fine."""
        if self._closing:
            return
        self._closing = True
        await self._watch.close(self._written)
        await self._connection.close()
        if not self._failure.done():
            self._failure.cancel()


async def open_claimed(address: EtcdAddress, keys: KeyEncryption) -> EtcdDatastore:
    """Open the store of the podraft cluster at ``address``, founding the cluster if it is new.

    Raises:
        StoreFailedError: etcd does not answer, or something else uses the prefix.
    """
    store = await EtcdDatastore.open(address, keys)
    try:
        await store.claim()
    except BaseException:
        await store.close()
        raise
    return store
