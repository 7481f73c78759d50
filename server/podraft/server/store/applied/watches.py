"""The course of a watch: from past events, in the file and in memory, to live ones.

Owns: the live watchers and their bookmarks.

Invariant: no await lies between a watch's last look at the past and its going live, so it has
neither gap nor duplicate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from podraft.server.state.datastore import Event, EventBatch
from podraft.server.store.applied.forgetting import Forgetting
from podraft.server.store.applied.memory import Memory
from podraft.server.store.applied.stored import Stored
from podraft.server.store.applied.watching import LiveWatcher, LiveWatchers
from podraft.server.store.options import StoreOptions

# A watcher that catches up gets past events in portions of about this size.
_CATCH_UP_EVENTS = 1_000
_CATCH_UP_BYTES = 1 << 20


class Watches:
    """All watches; on the loop.  ``check_serving`` raises once the store has stopped."""

    def __init__(
        self,
        memory: Memory,
        stored: Stored,
        forgetting: Forgetting,
        options: StoreOptions,
        check_serving: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._memory = memory
        self._stored = stored
        self._forgetting = forgetting
        self._options = options
        self._check_serving = check_serving
        self._live = LiveWatchers()
        self._bookmark: asyncio.TimerHandle | None = None

    def publish(self, events: Sequence[Event]) -> None:
        """Hand out the events of whole revisions, up to the newest."""
        self._live.publish(events, self._memory.revision)
        # One timer for all watchers, only while something changes: an idle store sleeps.
        if self._bookmark is None:
            delay_s = self._options.bookmark_interval_s
            self._bookmark = self._loop.call_later(delay_s, self._send_bookmarks)

    def _send_bookmarks(self) -> None:
        self._bookmark = None
        self._live.bookmark(self._memory.revision)

    async def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield the changes after ``start_revision``, then live ones."""
        position = start_revision
        while True:
            self._check_serving()
            self._forgetting.check_readable(position)
            if self._memory.recent.covers(position):
                break
            position, events = await self._past_events(prefix, position)
            if events:
                yield EventBatch(position, events)
        # No await until the watcher is live: neither gap nor duplicate.
        past = self._recent_batches(prefix, position)
        options, revision = self._options, self._memory.revision
        watcher = LiveWatcher(prefix, revision, options.watch_events, options.watch_bytes)
        self._live.add(watcher)
        try:
            for batch in past:
                yield batch
            while (live := await watcher.next()) is not None:
                yield live
        finally:
            self._live.remove(watcher)

    async def _past_events(self, prefix: bytes, position: int) -> tuple[int, list[Event]]:
        await self._stored.writer.flushed(self._memory.recent.start)
        read = partial(
            self._stored.file.events_after,
            prefix,
            position,
            events_max=_CATCH_UP_EVENTS,
            bytes_max=_CATCH_UP_BYTES,
        )
        reached, events = await self._stored.read(read)
        # Compaction may have overtaken the read.
        self._forgetting.check_readable(position)
        return reached, events

    def _recent_batches(self, prefix: bytes, position: int) -> list[EventBatch]:
        batches: list[EventBatch] = []
        events: list[Event] = []
        size = 0
        for revision, changes in self._memory.recent.after(position):
            concerned = [event for event in changes if event.key.startswith(prefix)]
            events += concerned
            size += sum(len(event.value or b"") for event in concerned)
            if len(events) >= _CATCH_UP_EVENTS or size >= _CATCH_UP_BYTES:
                batches.append(EventBatch(revision, events))
                events, size, position = [], 0, revision
        if events or position < self._memory.revision:
            # A batch without events is a bookmark: the watcher learns where it is.
            batches.append(EventBatch(self._memory.revision, events))
        return batches

    def drop(self, error: Exception) -> None:
        """Drop all watchers, which resume from where they were."""
        for watcher in self._live.all():
            watcher.fail(error)
            self._live.remove(watcher)

    def fail(self, error: Exception) -> None:
        """End all watches with ``error``."""
        for watcher in self._live.all():
            watcher.fail(error)

    def end(self) -> None:
        """End the watches once the watchers have read what is buffered for them."""
        for watcher in self._live.all():
            watcher.end()
        if self._bookmark is not None:
            self._bookmark.cancel()
