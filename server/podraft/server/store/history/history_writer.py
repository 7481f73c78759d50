"""The thread that writes applied events to the history file.

Owns: the queue between the loop and the file, and the order of the work on the file:
flushes first, then compaction in chunks.

Invariants: batches are stored in the order in which they were appended.  The queue is
counted, so that the store can hold back proposals (``full``).  Nothing here is needed for
durability: the log keeps the entries until ``flushed`` reports that the file has them too.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from podraft.server.store.history.history_file import History, HistoryBatch

# Small enough that a chunk occupies the file for only some milliseconds.
_COMPACTION_CHUNK_REVISIONS = 500
_FLUSH_CHUNK_BATCHES = 4_000

OnFlushed: TypeAlias = Callable[[], None]
OnFailed: TypeAlias = Callable[[BaseException], None]


class HistoryWriter:
    """A background writer of batches; its methods are called on the loop."""

    def __init__(
        self,
        history: History,
        loop: asyncio.AbstractEventLoop,
        *,
        interval_s: float,
        pending_bytes: int,
        flushed: OnFlushed,
        failed: OnFailed,
    ) -> None:
        self._history = history
        self._loop = loop
        self._interval_s = interval_s
        self._pending_bytes_max = pending_bytes
        self._on_flushed = flushed
        self._on_failed = failed
        self._pending: list[HistoryBatch] = []
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._closing = False
        self._pending_bytes = 0
        self._compact_to = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._compaction_waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._exclusive: deque[tuple[Callable[[], None], asyncio.Future[None]]] = deque()
        self._thread = threading.Thread(target=self._run, name="podraft-history", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether too much is queued for anything more to be applied."""
        return self._pending_bytes > self._pending_bytes_max

    def append(self, batches: list[HistoryBatch]) -> None:
        """Queue ``batches``; the thread stores them soon."""
        size = sum(batch.bytes for batch in batches)
        with self._lock:
            self._pending += batches
            self._pending_bytes += size
        self._work.set()
        if self.full:
            self._hurry.set()

    async def flushed(self, revision: int) -> None:
        """Wait until the events of ``revision`` are in the file."""
        if self._history.applied_revision >= revision:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((revision, waiter))
        self._hurry.set()
        self._work.set()
        await waiter

    async def compact(self, revision: int) -> None:
        """Forget history below ``revision``, which is in the file; return when it is forgotten."""
        if self._history.compacted >= revision:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._compaction_waiters.append((revision, waiter))
        self._compact_to = max(self._compact_to, revision)
        self._work.set()
        await waiter

    async def exclusively(self, act: Callable[[], None]) -> None:
        """Call ``act`` in the writing thread once everything appended before is stored."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._exclusive.append((act, done))
        self._hurry.set()
        self._work.set()
        await done

    async def close(self) -> None:
        """Store the queued batches and stop the thread."""
        self._closing = True
        self._hurry.set()
        self._work.set()
        await asyncio.to_thread(self._thread.join)
        self.fail(RuntimeError("the store is closed"))

    def fail(self, error: BaseException) -> None:
        """Fail everyone who waits for the file with ``error``."""
        for _, waiter in self._waiters + self._compaction_waiters:
            if not waiter.done():
                waiter.set_exception(error)
        self._waiters.clear()
        self._compaction_waiters.clear()
        while (waiting := self._next_exclusive()) is not None:
            if not waiting[1].done():
                waiting[1].set_exception(error)

    def _next_exclusive(self) -> tuple[Callable[[], None], asyncio.Future[None]] | None:
        # Called by the thread or, after a failure, by the loop.
        try:
            return self._exclusive.popleft()
        except IndexError:
            return None

    def _progressed(self) -> None:
        self._waiters = _settle(self._waiters, self._history.applied_revision)
        self._compaction_waiters = _settle(self._compaction_waiters, self._history.compacted)
        self._on_flushed()

    # The thread.

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:  # noqa: BLE001 - Reported; the store must stop, not hang.
            with contextlib.suppress(RuntimeError):  # The loop is gone: nobody waits.
                self._loop.call_soon_threadsafe(self._on_failed, error)

    def _step(self) -> bool:
        """Flush or compact once; return whether there may be more to do."""
        self._work.wait()
        # Cleared before looking: work that arrives meanwhile sets it again.
        self._work.clear()
        compacting = self._compact_to > self._history.compacted
        if self._pending and not self._closing and not compacting:
            # Larger commits cost less: wait a little for more, unless a caller is waiting.
            self._hurry.wait(self._interval_s)
        self._hurry.clear()
        self._flush()
        while (waiting := self._next_exclusive()) is not None:
            act, done = waiting
            act()
            self._loop.call_soon_threadsafe(_settle_one, done)
            self._loop.call_soon_threadsafe(self._progressed)
        if self._closing:
            return False
        if compacting:
            target = min(self._compact_to, self._history.applied_revision)
            self._history.compact(target, _COMPACTION_CHUNK_REVISIONS)
            self._loop.call_soon_threadsafe(self._progressed)
            self._work.set()
            # Leave the file and the interpreter to writers between chunks.
            time.sleep(0.002)
        return True

    def _flush(self) -> None:
        with self._lock:
            batches, self._pending = self._pending, []
        for start in range(0, len(batches), _FLUSH_CHUNK_BATCHES):
            chunk = batches[start : start + _FLUSH_CHUNK_BATCHES]
            self._history.append(chunk)
            size = sum(batch.bytes for batch in chunk)
            with self._lock:
                self._pending_bytes -= size
            self._loop.call_soon_threadsafe(self._progressed)


def _settle_one(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _settle(
    waiters: list[tuple[int, asyncio.Future[None]]], reached: int
) -> list[tuple[int, asyncio.Future[None]]]:
    remaining = []
    for revision, waiter in waiters:
        if revision > reached:
            remaining.append((revision, waiter))
        elif not waiter.done():
            waiter.set_result(None)
    return remaining
