"""Live events on their way from the keyspace to the watchers.

Owns: the live watchers, indexed by prefix, and each one's bounded buffer.

Invariants: a watcher gets every event below its prefix once and in order; all events of a
revision are in one batch.  A watcher that does not keep up loses its place, never an event
in the middle.  Watchers of one prefix share the same ``EventBatch`` object, so it need be
encoded only once for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from podraft.server.state.datastore import Event, EventBatch, SlowWatcherError


class LiveWatcher:
    """One watcher's buffer of unread batches."""

    def __init__(self, prefix: bytes, revision: int, events_max: int, bytes_max: int) -> None:
        self.prefix = prefix
        # Every event up to this revision was handed over or is in the buffer.
        self.revision = revision
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._events = 0
        self._bytes = 0
        self._buffer: deque[tuple[EventBatch, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._closed = False

    @property
    def idle(self) -> bool:
        """Whether everything was read."""
        return not self._buffer

    def offer(self, batch: EventBatch, size: int) -> bool:
        """Buffer ``batch``; False if it does not fit: the watcher is lost."""
        # An empty buffer takes any batch: a large transaction is not the watcher's fault.
        if self._buffer and (
            self._events + len(batch.events) > self._events_max
            or self._bytes + size > self._bytes_max
        ):
            self.fail(SlowWatcherError(f"more than {self._events} events are unread"))
            return False
        self._buffer.append((batch, size))
        self._events += len(batch.events)
        self._bytes += size
        self.revision = batch.revision
        self._wake()
        return True

    def fail(self, error: Exception) -> None:
        """Forget the buffer; the reader gets ``error``."""
        self._buffer.clear()
        self._error = error
        self._wake()

    def end(self) -> None:
        """End the watch after what is buffered."""
        self._closed = True
        self._wake()

    async def next(self) -> EventBatch | None:
        """Return the next batch, None at the end."""
        while not self._buffer:
            if self._error is not None:
                raise self._error
            if self._closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        batch, size = self._buffer.popleft()
        self._events -= len(batch.events)
        self._bytes -= size
        return batch

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def head_of(key: bytes) -> bytes:
    """Return the part of ``key`` up to its first slash, empty if it has none."""
    return key[: key.find(b"/") + 1]


class LiveWatchers:
    """All live watchers."""

    def __init__(self) -> None:
        # By the prefix's head, then by prefix: a key is compared with few prefixes only.
        self._heads: dict[bytes, dict[bytes, list[LiveWatcher]]] = {}

    def add(self, watcher: LiveWatcher) -> None:
        """Start handing events to ``watcher``."""
        prefixes = self._heads.setdefault(head_of(watcher.prefix), {})
        prefixes.setdefault(watcher.prefix, []).append(watcher)

    def remove(self, watcher: LiveWatcher) -> None:
        """Stop handing events to ``watcher``; removing it twice is fine."""
        head = head_of(watcher.prefix)
        prefixes = self._heads.get(head, {})
        watchers = prefixes.get(watcher.prefix, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            prefixes.pop(watcher.prefix, None)
        if not prefixes:
            self._heads.pop(head, None)

    def all(self) -> list[LiveWatcher]:
        """Return every live watcher."""
        return [
            watcher
            for prefixes in self._heads.values()
            for watchers in prefixes.values()
            for watcher in watchers
        ]

    def publish(self, events: Sequence[Event], revision: int) -> None:
        """Hand the events of whole revisions up to ``revision`` to the watchers they concern."""
        if not self._heads:
            return
        for prefix, concerned in self._by_prefix(events).items():
            batch = EventBatch(revision, concerned)
            size = sum(len(event.value or b"") for event in concerned)
            for watcher in list(self._heads[head_of(prefix)][prefix]):
                if not watcher.offer(batch, size):
                    self.remove(watcher)

    def _by_prefix(self, events: Sequence[Event]) -> dict[bytes, list[Event]]:
        heads = self._heads
        # Prefixes without a slash (the empty one) may concern keys of any head.
        general = tuple(heads.get(b"", ()))
        found: dict[bytes, list[Event]] = {}
        for event in events:
            key = event.key
            head = head_of(key)
            for prefix in (*heads.get(head, ()), *general) if head else general:
                if key.startswith(prefix):
                    found.setdefault(prefix, []).append(event)
        return found

    def bookmark(self, revision: int) -> None:
        """Tell idle watchers that nothing up to ``revision`` concerned them."""
        batch = EventBatch(revision, ())
        for watcher in self.all():
            if watcher.idle and watcher.revision < revision:
                watcher.offer(batch, 0)
