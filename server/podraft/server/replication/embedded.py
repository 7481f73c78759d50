"""The single-member store: the ``Datastore`` over one data directory.

Owns: the pipeline of a transaction, all of it on the event loop except the disks:

    transact -> queue -> one batch -> Log (framed, written, synced by its thread)
             -> committed -> applied to the keyspace -> futures, watchers, history

While one batch syncs, the next one collects: group commit.

Invariants: outcomes and events appear in log order, only after the log has them; between
two turns of the loop, keyspace, recent events and live watchers are at the same revision,
so whoever reads them without awaiting in between sees no gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from podraft.server.replication.history import HistoryBatch
from podraft.server.replication.history_writer import HistoryWriter
from podraft.server.replication.log import CommittedBatch, LocalLog, Log, Proposal
from podraft.server.replication.options import StoreOptions
from podraft.server.replication.recovery import Recovered, recover
from podraft.server.replication.watching import LiveWatcher, LiveWatchers
from podraft.server.state.commands import check_transaction, decode_command, encode_command
from podraft.server.state.datastore import (
    Committed,
    Event,
    EventBatch,
    FutureRevisionError,
    Outcome,
    Page,
    Record,
    RevisionCompactedError,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
    TransactionTooLargeError,
)
from podraft.server.state.recent import events_bytes
from podraft.server.state.retention import compaction_target

# A watcher that catches up gets its past in portions of about this size.
_CATCH_UP_EVENTS = 1_000
_CATCH_UP_BYTES = 1 << 20


class EmbeddedDatastore:
    """A ``Datastore`` of one member.  Made by ``open``; belongs to the loop that opened it."""

    def __init__(self, recovered: Recovered, log: Log, options: StoreOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._directory_lock = recovered.lock
        self._history = recovered.history
        self._keyspace = recovered.keyspace
        self._recent = recovered.recent
        self.cluster_id = recovered.cluster_id
        self._watchers = LiveWatchers()
        self._queue: deque[Proposal] = deque()
        self._queue_bytes = 0
        self._drive_scheduled = False
        self._in_flight: tuple[Proposal, ...] = ()
        self._error: StoreFailedError | None = None
        self._closing = False
        self._failure: asyncio.Future[StoreFailedError] = self._loop.create_future()
        self._drained: asyncio.Future[None] | None = None
        self._bookmark: asyncio.TimerHandle | None = None
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="podraft-history-read")
        self._compacted = recovered.history.compacted
        self._writer = HistoryWriter(
            recovered.history,
            self._loop,
            interval_s=options.history_flush_interval_s,
            pending_bytes=options.history_pending_bytes,
            flushed=self._history_flushed,
            failed=self._fail,
        )
        self._log = log
        log.start(self._committed, self._fail)
        self._retention_task = self._loop.create_task(self._keep_retention())

    @classmethod
    async def open(
        cls, directory: Path, *, options: StoreOptions | None = None
    ) -> EmbeddedDatastore:
        """Recover the state in ``directory`` (made if absent) and begin to serve it.

        Raises:
            StoreOpenError: It is in use (``StoreInUseError``), damaged (``WalCorruptError``,
                ``HistoryFormatError``) or cannot be read and written.
        """
        options = options or StoreOptions()
        recovered = await asyncio.to_thread(recover, directory, options)
        log = LocalLog(recovered.wal, asyncio.get_running_loop())
        return cls(recovered, log, options)

    @property
    def revision(self) -> int:
        """The last applied revision."""
        return self._keyspace.revision

    async def failed(self) -> StoreFailedError:
        """Return the error that stopped the store, when that happens: the process must exit.

        Cancelled when the store closes.
        """
        return await asyncio.shield(self._failure)

    # Reading.

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""
        self._check_serving()
        return self._keyspace.get(key)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``: from memory, from disk if ``revision`` is old."""
        self._check_serving()
        current = self._keyspace.revision
        if not revision or revision == current:
            records, more = self._keyspace.range(prefix, start_after, limit)
            return Page(records, current, more)
        self._check_readable(revision)
        if self._recent.covers(revision):
            old = self._recent.undo(prefix, revision)
            records, more = self._keyspace.past_range(old, prefix, start_after, limit)
            return Page(records, revision, more)
        await self._writer.flushed(revision)
        read = partial(self._history.range, prefix, start_after, limit, revision)
        records, more = await self._loop.run_in_executor(self._readers, read)
        # Compaction may have overtaken the read.
        self._check_readable(revision)
        return Page(records, revision, more)

    def _check_readable(self, revision: int) -> None:
        if revision > self._keyspace.revision:
            raise FutureRevisionError(revision, self._keyspace.revision)
        if revision < self._compacted:
            raise RevisionCompactedError(revision, self._compacted)

    def _check_serving(self) -> None:
        if self._error is not None:
            raise self._error
        if self._closing:
            raise StoreFailedError("the store is closed")

    # Writing.

    async def transact(self, transaction: Transaction) -> Outcome:
        """Propose ``transaction`` and return its outcome when it is durable."""
        self._check_serving()
        check_transaction(transaction)
        if not transaction.writes:
            # Alone, the newest state is the committed one: nothing needs to be ordered.
            return self._keyspace.unmet(transaction.guards) or Committed(self.revision)
        options = self._options
        time_ms = options.now_ms()
        payload = encode_command(transaction, time_ms)
        size = len(payload)
        if size > options.transaction_bytes:
            raise TransactionTooLargeError(
                f"the transaction has {size} bytes, at most {options.transaction_bytes} are allowed"
            )
        if (
            len(self._queue) >= options.queue_transactions
            or self._queue_bytes + size > options.queue_bytes
        ):
            raise StoreOverloadedError(f"{len(self._queue)} transactions wait already")
        proposal = Proposal(transaction, time_ms, payload, self._loop.create_future())
        self._queue.append(proposal)
        self._queue_bytes += size
        self._schedule_drive()
        return await proposal.outcome

    def _schedule_drive(self) -> None:
        # At the end of this turn of the loop, so that all of its proposals share a batch.
        if not self._drive_scheduled:
            self._drive_scheduled = True
            self._loop.call_soon(self._drive)

    def _drive(self) -> None:
        """Propose what waits as one batch, if the log and the history can take it."""
        self._drive_scheduled = False
        if not self._queue or not self._log.ready or self._writer.full or self._error:
            return
        batch: list[Proposal] = []
        size = 0
        while self._queue and len(batch) < self._options.batch_transactions:
            size += len(self._queue[0].payload)
            if batch and size > self._options.batch_bytes:
                break
            proposal = self._queue.popleft()
            self._queue_bytes -= len(proposal.payload)
            batch.append(proposal)
        self._in_flight = tuple(batch)
        self._log.propose(self._in_flight)

    def _committed(self, batch: CommittedBatch) -> None:
        """Apply what the log has made durable; members that cannot must stop, not diverge."""
        if self._error is not None:
            return
        try:
            self._apply_batch(batch)
        except Exception as error:
            self._fail(error)
            raise

    def _apply_batch(self, batch: CommittedBatch) -> None:
        # The next batch's disk time overlaps with this one's application.
        self._in_flight = ()
        self._drive()
        applied = [
            self._apply(batch.first_index + offset, payload, proposal)
            for offset, (payload, proposal) in enumerate(
                zip(batch.payloads, batch.proposals, strict=True)
            )
        ]
        events = [event for entry in applied for event in entry.events]
        self._writer.append(applied)
        if events:
            self._watchers.publish(events, self._keyspace.revision)
            self._schedule_bookmark()
        self._check_drained()

    def _apply(self, index: int, payload: bytes, proposal: Proposal | None) -> HistoryBatch:
        if proposal is not None:
            transaction, time_ms = proposal.transaction, proposal.time_ms
        else:
            command = decode_command(payload)
            transaction, time_ms = command.transaction, command.time_ms
        revision = self._keyspace.revision + 1
        outcome, events = self._keyspace.apply(transaction, revision)
        if events:
            self._recent.append(revision, events)
        if proposal is not None and not proposal.outcome.done():
            proposal.outcome.set_result(outcome)
        return HistoryBatch(index, self._keyspace.revision, time_ms, events, events_bytes(events))

    def _history_flushed(self) -> None:
        self._log.release(self._history.applied_index)
        self._drive()

    # Watching.

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield what changed after ``start_revision``, then what changes."""
        position = start_revision
        while True:
            self._check_serving()
            self._check_readable(position)
            if self._recent.covers(position):
                break
            position, events = await self._past_events(prefix, position)
            if events:
                yield EventBatch(position, events)
        # No await until the watcher is live: neither gap nor duplicate.
        past = self._recent_batches(prefix, position)
        options = self._options
        watcher = LiveWatcher(prefix, self.revision, options.watch_events, options.watch_bytes)
        self._watchers.add(watcher)
        try:
            for batch in past:
                yield batch
            while (live := await watcher.next()) is not None:
                yield live
        finally:
            self._watchers.remove(watcher)

    async def _past_events(self, prefix: bytes, position: int) -> tuple[int, list[Event]]:
        await self._writer.flushed(self._recent.start)
        read = partial(
            self._history.events_after,
            prefix,
            position,
            events_max=_CATCH_UP_EVENTS,
            bytes_max=_CATCH_UP_BYTES,
        )
        reached, events = await self._loop.run_in_executor(self._readers, read)
        # Compaction may have overtaken the read.
        self._check_readable(position)
        return reached, events

    def _recent_batches(self, prefix: bytes, position: int) -> list[EventBatch]:
        batches: list[EventBatch] = []
        events: list[Event] = []
        size = 0
        for revision, changes in self._recent.after(position):
            concerned = [event for event in changes if event.key.startswith(prefix)]
            events += concerned
            size += sum(len(event.value or b"") for event in concerned)
            if len(events) >= _CATCH_UP_EVENTS or size >= _CATCH_UP_BYTES:
                batches.append(EventBatch(revision, events))
                events, size, position = [], 0, revision
        if events or position < self.revision:
            # Without events it is a bookmark: the watcher learns where it is.
            batches.append(EventBatch(self.revision, events))
        return batches

    def _schedule_bookmark(self) -> None:
        # One timer for all watchers, only while something changes: an idle store sleeps.
        if self._bookmark is None:
            delay_s = self._options.bookmark_interval_s
            self._bookmark = self._loop.call_later(delay_s, self._send_bookmarks)

    def _send_bookmarks(self) -> None:
        self._bookmark = None
        self._watchers.bookmark(self.revision)

    # Compaction.

    async def compact(self, revision: int) -> None:
        """Forget what only reads below ``revision`` can see, in the background writer."""
        self._check_serving()
        if revision > self.revision:
            raise FutureRevisionError(revision, self.revision)
        # Refused from now on, so that no reader sees a half-compacted revision.
        self._compacted = max(self._compacted, revision)
        await self._writer.flushed(revision)
        await self._writer.compact(revision)

    async def _keep_retention(self) -> None:
        options = self._options
        while True:
            await asyncio.sleep(options.retention_interval_s)
            horizon_ms = options.now_ms() - int(options.retention.keep_s * 1000)
            find = partial(self._history.revision_before, horizon_ms)
            target = compaction_target(
                options.retention,
                current=self.revision,
                compacted=self._compacted,
                revision_at_horizon=await self._loop.run_in_executor(self._readers, find),
            )
            if target is not None:
                try:
                    await self.compact(target)
                except StoreFailedError:
                    return

    # The end.

    def _fail(self, cause: BaseException) -> None:
        """Stop: what the disk has is unknown until the process has recovered from it."""
        if self._error is not None:
            return
        self._error = StoreFailedError(f"the store stopped: {cause}")
        self._failure.set_result(self._error)
        for proposal in (*self._in_flight, *self._queue):
            if not proposal.outcome.done():
                proposal.outcome.set_exception(self._error)
        self._in_flight = ()
        self._queue.clear()
        self._queue_bytes = 0
        self._writer.fail(self._error)
        for watcher in self._watchers.all():
            watcher.fail(self._error)
        self._check_drained()

    def _check_drained(self) -> None:
        drained = self._drained
        if drained is None or drained.done() or self._queue or self._in_flight:
            return
        drained.set_result(None)

    async def close(self) -> None:
        """Finish what was proposed, store the history, stop; closing twice is fine."""
        if self._closing:
            return
        self._closing = True
        self._retention_task.cancel()
        self._drained = self._loop.create_future()
        self._check_drained()
        await self._drained
        for watcher in self._watchers.all():
            watcher.end()
        if self._bookmark is not None:
            self._bookmark.cancel()
        await self._log.close()
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        self._history.close()
        self._directory_lock.release()
        if not self._failure.done():
            self._failure.cancel()
