"""What a member has applied: the state that is read, watched and stored.

Owns: the keyspace, the recent events, the live watchers, the history file and its writer; reads,
watches and compaction over them.  Shared by the store of one member and by those of a group.

Invariants: entries are applied in index order, each once; between two turns of the loop,
keyspace, recent events and live watchers are at the same revision, so whoever reads them
without awaiting in between sees no gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from podraft.server.state.commands import decode_command
from podraft.server.state.datastore import (
    Event,
    EventBatch,
    FutureRevisionError,
    Guard,
    GuardFailed,
    Page,
    Record,
    Repeated,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
)
from podraft.server.state.digests import StateMark
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents
from podraft.server.state.retention import (
    WrittenBytes,
    compaction_target,
    horizon_ms,
    revision_at_bytes,
)
from podraft.server.store.applied.applying import apply_transaction
from podraft.server.store.applied.freed_memory import release_freed_memory
from podraft.server.store.applied.scrubbing import Scrubbing
from podraft.server.store.applied.watching import LiveWatcher, LiveWatchers
from podraft.server.store.history.history_file import HistoryBatch
from podraft.server.store.history.history_past import HistoryPast
from podraft.server.store.history.history_writer import HistoryWriter
from podraft.server.store.log.seam import CommittedBatch, OnFailed, Proposal
from podraft.server.store.options import StoreOptions
from podraft.server.store.recovery import CONDEMNED_NOTE, Recovered, load_keyspace
from podraft.server.store.sealing.resealing import reseal_history

_LOG = logging.getLogger(__name__)

# A watcher that catches up gets its past in portions of about this size.
_CATCH_UP_EVENTS = 1_000
_CATCH_UP_BYTES = 1 << 20


class AppliedState:
    """The applied state of one data directory; belongs to the loop that made it.

    ``flushed`` is called when the history file has more, ``failed`` when it has failed,
    ``compared`` when an entry was applied at which members compare their states.
    """

    def __init__(
        self,
        recovered: Recovered,
        options: StoreOptions,
        *,
        flushed: Callable[[], None],
        failed: OnFailed,
        compared: Callable[[StateMark], None] = lambda _: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._directory_lock = recovered.lock
        self._ring = recovered.ring
        self._history = recovered.history
        self._keyspace = recovered.keyspace
        self._recent = recovered.recent
        self._watchers = LiveWatchers()
        self._error: StoreFailedError | None = None
        self._closing = False
        self._bookmark: asyncio.TimerHandle | None = None
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="podraft-history-read")
        self._compacted = recovered.history.compacted
        self._written = self._written_before()
        self._too_much = asyncio.Event()
        self._writer = HistoryWriter(
            recovered.history,
            self._loop,
            interval_s=options.history_flush_interval_s,
            pending_bytes=options.history_pending_bytes,
            flushed=flushed,
            failed=failed,
        )
        self.past = HistoryPast(
            recovered.history,
            self._writer,
            self._readers,
            options.retention,
            revision=lambda: self._keyspace.revision,
            compacted=lambda: self._compacted,
        )
        self._compared = compared
        self._scrubbing = Scrubbing(lambda: self._keyspace, options, failed)
        self._retention_task = self._loop.create_task(self._keep_retention())

    @property
    def revision(self) -> int:
        """The last applied revision."""
        return self._keyspace.revision

    @property
    def stored_index(self) -> int:
        """The log index up to which everything is durable in the history file."""
        return self._history.applied_index

    @property
    def full(self) -> bool:
        """Whether so much waits for the history file that nothing more should be applied."""
        return self._writer.full

    @property
    def error(self) -> StoreFailedError | None:
        """Why the store stopped; None while it has not."""
        return self._error

    @property
    def closing(self) -> bool:
        """Whether nothing new is accepted any more."""
        return self._closing

    def check_serving(self) -> None:
        """Refuse, once the store has stopped or is about to.

        Raises:
            StoreFailedError: It has.
        """
        if self._error is not None:
            raise self._error
        if self._closing:
            raise StoreFailedError("the store is closed")

    # Reading.

    def get(self, key: bytes) -> Record | None:
        """Return the newest applied record of ``key``."""
        return self._keyspace.get(key)

    def unmet(self, guards: Iterable[Guard]) -> GuardFailed | None:
        """Return the first guard that does not hold now, None if all do."""
        return self._keyspace.unmet(guards)

    def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect; None: that is not known."""
        applied = self._keyspace.requests.find(request)
        return None if applied is None else Repeated(applied.revision, applied.digest)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``: from memory, from disk if ``revision`` is old."""
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

    # Applying.

    def apply(self, batch: CommittedBatch) -> None:
        """Apply committed entries; an empty payload is no command, only the index moves on."""
        applied = [
            self._apply(batch.first_index + offset, payload, proposal)
            for offset, (payload, proposal) in enumerate(
                zip(batch.payloads, batch.proposals, strict=True)
            )
        ]
        events = [event for entry in applied for event in entry.events]
        self._writer.append(applied)
        for entry in applied:
            self._written.add(entry.revision, entry.bytes)
        if events:
            if self._written.kept > self._options.retention.keep_bytes:
                self._too_much.set()
            self._watchers.publish(events, self._keyspace.revision)
            self._schedule_bookmark()

    def _apply(self, index: int, payload: bytes, proposal: Proposal | None) -> HistoryBatch:
        if proposal is not None:
            transaction, time_ms = proposal.transaction, proposal.time_ms
        elif not payload:
            return self._unchanged(index)
        else:
            command = decode_command(payload)
            transaction, time_ms = command.transaction, command.time_ms
        outcome, stored = apply_transaction(
            self._keyspace, self._recent, index, transaction, time_ms
        )
        if stored.events:
            self._scrubbing.written(stored.events)
        elif not transaction.writes:
            # Nobody writes nothing, but a leader who wants the members compared.
            self._compared(StateMark(index, self._keyspace.revision, self._keyspace.digest))
        if proposal is not None and not proposal.outcome.done():
            proposal.outcome.set_result(outcome)
        return stored

    def _unchanged(self, index: int) -> HistoryBatch:
        keyspace = self._keyspace
        return HistoryBatch(index, keyspace.revision, 0, (), digest=keyspace.digest)

    # Snapshots.

    async def copy_to(self, path: Path) -> None:
        """Write a copy of the history file, which is the state at ``stored_index`` or later."""
        await asyncio.to_thread(self._history.copy_to, path)
        await self._writer.exclusively(self._history.unmap)

    async def replace_by(self, path: Path) -> None:
        """Replace all state by the history file at ``path``; nothing may be applied meanwhile."""
        loaded: list[Keyspace] = []

        def replace() -> None:
            loaded.append(load_keyspace(path, self._options, self._ring.sealer))
            self._history.replace_by(path)

        await self._writer.exclusively(replace)
        options = self._options
        self._keyspace = loaded[0]
        self._recent = RecentEvents(self.revision, options.recent_events, options.recent_bytes)
        self._compacted = self._history.compacted
        self._written = self._written_before()
        for watcher in self._watchers.all():
            # What it has missed is in the history: it resumes from where it was.
            watcher.fail(SlowWatcherError("a snapshot replaced the state"))
            self._watchers.remove(watcher)
        self._ring.installed()
        loaded.clear()
        await asyncio.to_thread(release_freed_memory)

    async def reseal(self, tell: Callable[[float], None]) -> None:
        """Seal every entry of the history file with the active key; ``tell`` gets what part is."""
        await reseal_history(self._history, self._writer, tell)

    # Watching.

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield what changed after ``start_revision``, then what changes."""
        position = start_revision
        while True:
            self.check_serving()
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
        self.check_serving()
        if revision > self.revision:
            raise FutureRevisionError(revision, self.revision)
        # Refused from now on, so that no reader sees a half-compacted revision.
        self._compacted = max(self._compacted, revision)
        await self._writer.flushed(revision)
        await self._writer.compact(revision)
        await self._writer.exclusively(self._history.unmap)

    async def _keep_retention(self) -> None:
        options = self._options
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.retention_interval_s):
                    await self._too_much.wait()
            self._too_much.clear()
            by_size = revision_at_bytes(options.retention, self._written)
            oldest_ms = horizon_ms(
                options.retention,
                now_ms=options.now_ms(),
                interval_s=options.retention_interval_s,
            )
            find = partial(self._history.revision_before, oldest_ms)
            target = compaction_target(
                options.retention,
                current=self.revision,
                compacted=self._compacted,
                revision_at_horizon=await self._loop.run_in_executor(self._readers, find),
                revision_at_bytes=by_size,
            )
            if target is not None:
                if target == by_size:
                    _LOG.warning(
                        "history up to revision %d is forgotten before its time: more than %d MiB "
                        "were written since",
                        target,
                        options.retention.keep_bytes >> 20,
                    )
                try:
                    await self.compact(target)
                except StoreFailedError:
                    return
                self._written.forget(target)

    def _written_before(self) -> WrittenBytes:
        """Return how much history the file has already; what is current is not history."""
        live = sum(len(record.value) for record in self._keyspace.range(b"", b"", 0)[0])
        kept = max(self._history.used_bytes() - live, 0)
        return WrittenBytes(self._history.compacted, max(self.revision, 1), kept)

    # The end.

    def fail(self, error: StoreFailedError) -> None:
        """Stop: readers and watchers get ``error``."""
        self._error = error
        self._writer.fail(error)
        for watcher in self._watchers.all():
            watcher.fail(error)

    def condemn(self, why: str) -> None:
        """Note durably that this state is wrong: nobody serves it again."""
        self._history.set_note(CONDEMNED_NOTE, why.encode())

    def begin_close(self) -> None:
        """Accept nothing new; what is on its way may still be applied."""
        self._closing = True
        self._retention_task.cancel()
        self._scrubbing.stop()

    def end_watches(self) -> None:
        """Let the watchers read what they have, then end."""
        for watcher in self._watchers.all():
            watcher.end()
        if self._bookmark is not None:
            self._bookmark.cancel()

    async def close(self) -> None:
        """Store the history, release the directory."""
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        self._history.close()
        self._directory_lock.release()
