"""The store on an etcd v3 cluster.

Owns: the ``Datastore`` over etcd.  Reads and transactions are one call each; all watchers
share one watch of everything below our prefix, and are told by it.

Invariants: an event reaches a watcher once and in order.  A watcher that begins in the past
is joined to the shared watch first and reads the past until it meets it, so that nothing
falls between.  The revision up to which the shared watch is complete is always the revision
of an event of ours: etcd's own progress messages are not used, because before 3.4.25 and
3.5.8 they can overtake events.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

import grpc

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.external.address import EtcdAddress
from podraft.server.external.connection import EtcdConnection, refusal
from podraft.server.external.options import EtcdOptions
from podraft.server.external.point_reads import PointReads
from podraft.server.external.stream import StreamLostError, changes
from podraft.server.external.translation import (
    ForeignValueError,
    IncompleteHistoryError,
    Translation,
    from_etcd,
    to_etcd,
)
from podraft.server.replication.watching import LiveWatcher, LiveWatchers
from podraft.server.state.commands import check_transaction
from podraft.server.state.datastore import (
    Committed,
    Event,
    EventBatch,
    FutureRevisionError,
    GuardFailed,
    Outcome,
    Page,
    Record,
    RevisionCompactedError,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
)

_LOG = logging.getLogger(__name__)

_PAGE_RECORDS: Final = 1_000
_PAUSE_S_MIN: Final = 0.05
_PAUSE_S_MAX: Final = 1.0
_CLOSE_GRACE_S: Final = 2.0
_IDENTITY: Final = b"podraft 1 "


class _BegunAgainError(Exception):
    """The shared watch left something out: join it anew."""


class EtcdDatastore:
    """A ``Datastore`` on etcd.  Made by ``open``; belongs to the loop that opened it."""

    def __init__(
        self, connection: EtcdConnection, translation: Translation, options: EtcdOptions
    ) -> None:
        self._connection = connection
        self._translation = translation
        self._options = options
        # The highest revision that etcd has told of, and the one of the last event of ours.
        self._revision = 0
        self._position = 0
        self._written = 0
        self.cluster_id = b""
        self._watchers = LiveWatchers()
        self._point_reads = PointReads(partial(self._txn, repeatable=True))
        self._transactions = 0
        self._catching_up = 0
        self._closing = False
        self._progress = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._failure: asyncio.Future[StoreFailedError] = loop.create_future()
        self._bookmark: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, address: EtcdAddress, *, options: EtcdOptions | None = None
    ) -> EtcdDatastore:
        """Reach the cluster and begin to follow it.

        Raises:
            StoreUnavailableError: No member answers.
        """
        connection = EtcdConnection(address)
        store = cls(connection, Translation(address.prefix), options or EtcdOptions())
        try:
            store._position = await store._refresh()
        except BaseException:
            await connection.close()
            raise
        store._following = asyncio.create_task(store._follow())
        return store

    async def claim(self) -> bytes:
        """Return the id of the podraft cluster below this prefix; made when it is new.

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
        # Repeatable: whoever comes second finds what the first one wrote.
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
        """The highest revision that etcd has told us of."""
        return self._revision

    async def failed(self) -> StoreFailedError:
        """Return the error that stopped the store, when that happens: the process must exit.

        An etcd that does not answer is no such error.  Cancelled when the store closes.
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
            revision = revision or from_etcd(response.header.revision)
            if response.kvs:
                first = response.kvs[-1].key + b"\0"
        return Page(records, revision or await self._refresh(), more)

    async def _range(self, request: etcd_pb2.RangeRequest) -> etcd_pb2.RangeResponse:
        self._check_serving()
        try:
            response = await self._connection.call(
                "etcdserverpb.KV/Range", request, etcd_pb2.RangeResponse, repeatable=True
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.OUT_OF_RANGE:
                raise await self._not_kept(from_etcd(request.revision)) from None
            raise refusal(error) from None
        self._saw(from_etcd(response.header.revision))
        return response

    async def _refresh(self) -> int:
        """Return the present revision."""
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
            # Only a watch is told what the oldest revision is.
            async with asyncio.timeout(1), aclosing(self._changes(span, revision)) as stream:
                async for _ in stream:
                    pass
        except RevisionCompactedError as error:
            oldest = error.oldest
        except (TimeoutError, StreamLostError):
            pass  # It stays a lower bound.
        return RevisionCompactedError(revision, oldest)

    def _saw(self, revision: int) -> None:
        self._revision = max(self._revision, revision)

    def _check_serving(self) -> None:
        if self._failure.done() and not self._failure.cancelled():
            raise self._failure.result()
        if self._closing:
            raise StoreFailedError("the store is closed")

    # Writing.

    async def transact(self, transaction: Transaction) -> Outcome:
        """Carry out ``transaction`` as one etcd transaction: one revision for all of it."""
        self._check_serving()
        check_transaction(transaction)
        if self._transactions >= self._options.transactions:
            raise StoreOverloadedError(f"{self._transactions} transactions wait already")
        request = self._translation.transaction(transaction)
        self._transactions += 1
        try:
            response = await self._txn(request, repeatable=not transaction.writes)
        finally:
            self._transactions -= 1
        revision = from_etcd(response.header.revision)
        if not response.succeeded:
            return GuardFailed(*self._translation.unmet(transaction, response))
        if transaction.writes:
            self._written = max(self._written, revision)
        return Committed(revision)

    async def _txn(self, request: etcd_pb2.TxnRequest, *, repeatable: bool) -> etcd_pb2.TxnResponse:
        try:
            response = await self._connection.call(
                "etcdserverpb.KV/Txn", request, etcd_pb2.TxnResponse, repeatable=repeatable
            )
        except grpc.aio.AioRpcError as error:
            raise refusal(error) from None
        self._saw(from_etcd(response.header.revision))
        return response

    async def compact(self, revision: int) -> None:
        """Let etcd forget what is below ``revision``; of all its users, not only of podraft."""
        self._check_serving()
        if revision > self._revision and revision > (current := await self._refresh()):
            raise FutureRevisionError(revision, current)
        request = etcd_pb2.CompactionRequest(revision=to_etcd(revision))
        try:
            await self._connection.call(
                "etcdserverpb.KV/Compact", request, etcd_pb2.CompactionResponse, repeatable=True
            )
        except grpc.aio.AioRpcError as error:
            # Compacted so far already is what was asked for.
            if error.code() is not grpc.StatusCode.OUT_OF_RANGE:
                raise refusal(error) from None

    # Watching.

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncGenerator[EventBatch, None]:
        """Yield what changed after ``start_revision``, then what changes."""
        self._check_serving()
        if start_revision > self._revision and start_revision > await self._refresh():
            raise FutureRevisionError(start_revision, self._revision)
        reached = start_revision
        while True:
            try:
                async with aclosing(self._joined(prefix, reached)) as batches:
                    async for batch in batches:
                        reached = batch.revision
                        yield batch
                return
            except _BegunAgainError:
                pass  # What the shared watch left out is read from etcd, if etcd has it still.

    async def _joined(self, prefix: bytes, reached: int) -> AsyncGenerator[EventBatch, None]:
        """Yield what is after ``reached``; live from where the shared watch is met."""
        options = self._options
        joined = self._position
        watcher = LiveWatcher(prefix, joined, options.watch_events, options.watch_bytes)
        self._watchers.add(watcher)
        try:
            if reached < joined:
                async with aclosing(self._past(prefix, reached, joined)) as past:
                    async for batch in past:
                        reached = batch.revision
                        yield batch
                if reached < joined:
                    return  # The store closed meanwhile.
            while (live := await watcher.next()) is not None:
                # What the past has shown already, or what was before a start ahead of us.
                if live.revision > reached:
                    yield _after(live, reached)
                    reached = live.revision
        finally:
            self._watchers.remove(watcher)

    async def _past(
        self, prefix: bytes, reached: int, joined: int
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield what is after ``reached`` until ``joined`` is reached, or the store closes.

        Reads everything of ours, not only ``prefix``: the shared watch stands at an event of
        ours, so that this stream certainly gets there (or beyond, with the next event).
        """
        self._catching_up += 1
        pause_s = _PAUSE_S_MIN
        try:
            while reached < joined:
                try:
                    async with aclosing(self._changes(self._translation.span(b""), reached)) as s:
                        while reached < joined:
                            item = await self._next(s)
                            if item is None:
                                return
                            revision, events = item
                            concerned = [e for e in events if e.key.startswith(prefix)]
                            reached, pause_s = revision, _PAUSE_S_MIN
                            if concerned or reached >= joined:
                                yield EventBatch(revision, concerned)
                except StreamLostError:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _PAUSE_S_MAX)
        finally:
            self._catching_up -= 1
            self._progress.set()

    async def _next(
        self, stream: AsyncGenerator[tuple[int, list[Event]], None]
    ) -> tuple[int, list[Event]] | None:
        """Return the stream's next item; None when the store has stopped."""
        item = asyncio.ensure_future(anext(stream))
        try:
            await asyncio.wait((item, self._stopped), return_when=asyncio.FIRST_COMPLETED)
            return item.result() if item.done() else None
        finally:
            if not item.done():
                item.cancel()
                await asyncio.wait((item,))

    async def _changes(
        self, span: tuple[bytes, bytes], after: int
    ) -> AsyncGenerator[tuple[int, list[Event]], None]:
        """Yield etcd's changes in our terms."""
        async with aclosing(changes(self._connection, span, after)) as stream:
            async for revision, found in stream:
                try:
                    events = [self._translation.event(change) for change in found]
                except IncompleteHistoryError:
                    raise RevisionCompactedError(after, revision) from None
                yield revision, events

    async def _follow(self) -> None:
        """Keep the shared watch; it begins again where it was."""
        pause_s = _PAUSE_S_MIN
        lost = False
        while True:
            try:
                async with aclosing(
                    self._changes(self._translation.span(b""), self._position)
                ) as stream:
                    async for revision, events in stream:
                        pause_s = _PAUSE_S_MIN
                        if lost:
                            _LOG.warning("etcd is followed again from revision %d", revision)
                            lost = False
                        if events:
                            self._publish(revision, events)
            except StreamLostError as error:
                if not lost:
                    _LOG.warning("the watch of etcd broke, it will be resumed: %s", error)
                    lost = True
            except RevisionCompactedError as error:
                await self._begin_again(error)
            except ForeignValueError as error:
                self._fail(StoreFailedError(str(error)))
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    def _publish(self, revision: int, events: list[Event]) -> None:
        self._saw(revision)
        self._position = revision
        self._progress.set()
        self._watchers.publish(events, revision)
        if self._bookmark is None:
            # One timer for all watchers, only while something changes.
            loop = asyncio.get_running_loop()
            self._bookmark = loop.call_later(
                self._options.bookmark_interval_s, self._send_bookmarks
            )

    def _send_bookmarks(self) -> None:
        self._bookmark = None
        self._watchers.bookmark(self._position)

    async def _begin_again(self, error: RevisionCompactedError) -> None:
        """Go on from now: etcd forgot what the shared watch has not seen."""
        _LOG.warning("etcd compacted what was not read yet: %s", error)
        with contextlib.suppress(StoreFailedError):  # Then the next attempt fails again.
            position = await self._refresh()
            # No await in between: whoever joins sees either the old place and this end, or
            # the new place.
            self._position = position
            for watcher in self._watchers.all():
                watcher.fail(_BegunAgainError())
                self._watchers.remove(watcher)

    # The end.

    def _fail(self, error: StoreFailedError) -> None:
        if not self._failure.done():
            _LOG.error("%s", error)
            self._failure.set_result(error)
        for watcher in self._watchers.all():
            watcher.fail(error)

    async def close(self) -> None:
        """Let watchers have what was acknowledged, then leave etcd; closing twice is fine."""
        if self._closing:
            return
        self._closing = True
        # Bounded: somebody else's write may have taken the revision that is waited for.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_GRACE_S):
                await self._until(lambda: self._position >= self._written)
        for watcher in self._watchers.all():
            watcher.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_GRACE_S):
                await self._until(lambda: not self._catching_up)
        self._stopped.set_result(None)
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        if self._bookmark is not None:
            self._bookmark.cancel()
        await self._connection.close()
        if not self._failure.done():
            self._failure.cancel()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds, which is looked at after every progress."""
        while not condition() and not self._failure.done():
            self._progress.clear()
            await self._progress.wait()


async def open_claimed(address: EtcdAddress) -> EtcdDatastore:
    """Open the store of the podraft cluster at ``address``; it becomes one if it is none yet.

    Raises:
        StoreFailedError: etcd does not answer, or something else uses the prefix.
    """
    store = await EtcdDatastore.open(address)
    try:
        await store.claim()
    except BaseException:
        await store.close()
        raise
    return store


def _after(batch: EventBatch, reached: int) -> EventBatch:
    """Return ``batch`` without what is at or below ``reached``."""
    if not batch.events or batch.events[0].revision > reached:
        return batch
    return EventBatch(batch.revision, [e for e in batch.events if e.revision > reached])
