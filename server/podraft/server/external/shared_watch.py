"""The one watch of everything below our prefix, and how watchers join it.

Owns: the shared watch of etcd, its watchers, and each watcher's way from a past revision to it.

Invariants: an event reaches a watcher once and in order.  A watcher that begins in the past
is joined to the shared watch first and reads the past until it meets that watch, so that nothing
is missed in between.  The revision up to which the shared watch is complete is always the
revision of an event of ours: etcd's own progress messages are not used, because before 3.4.25
and 3.5.8 they can overtake events.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from podraft.server.external.connection import EtcdConnection
from podraft.server.external.options import EtcdOptions
from podraft.server.external.stream import StreamLostError, changes
from podraft.server.external.translation import IncompleteHistoryError, Translation
from podraft.server.state.datastore import (
    Event,
    EventBatch,
    RevisionCompactedError,
    StoreFailedError,
)
from podraft.server.store.applied.watching import LiveWatcher, LiveWatchers

_LOG = logging.getLogger(__name__)

_PAUSE_S_MIN: Final = 0.05
_PAUSE_S_MAX: Final = 1.0
_CLOSE_GRACE_S: Final = 2.0


class _BegunAgainError(Exception):
    """The shared watch skipped events: join it anew."""


class SharedWatch:
    """A watch that follows etcd from ``position`` on, once it is started."""

    def __init__(
        self,
        connection: EtcdConnection,
        translation: Translation,
        options: EtcdOptions,
        *,
        refresh: Callable[[], Awaitable[int]],
        failed: Callable[[StoreFailedError], None],
    ) -> None:
        self._connection = connection
        self._translation = translation
        self._options = options
        self._refresh = refresh
        self._failed = failed
        # The revision of the last of our events that was seen.
        self.position = 0
        self._watchers = LiveWatchers()
        self._catching_up = 0
        self._progress = asyncio.Event()
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._bookmark: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None

    def start(self, position: int) -> None:
        """Start following after ``position``."""
        self.position = position
        self._following = asyncio.create_task(self._follow())

    async def after(self, prefix: bytes, reached: int) -> AsyncGenerator[EventBatch, None]:
        """Yield the changes below ``prefix`` after ``reached``, until the store closes."""
        while True:
            try:
                async with aclosing(self._joined(prefix, reached)) as batches:
                    async for batch in batches:
                        reached = batch.revision
                        yield batch
                return
            except _BegunAgainError:
                pass  # What the shared watch skipped is read from etcd, if etcd still has it.

    async def close(self, written: int) -> None:
        """Deliver the events up to ``written`` to the watchers, then end them."""
        # Bounded: a write outside of our prefix may have taken the revision that is awaited.
        await self._until(lambda: self.position >= written)
        for watcher in self._watchers.all():
            watcher.end()
        await self._until(lambda: not self._catching_up)
        self._stopped.set_result(None)
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        if self._bookmark is not None:
            self._bookmark.cancel()

    def fail(self, error: StoreFailedError) -> None:
        """Fail all watchers with ``error``, as the store has stopped."""
        for watcher in self._watchers.all():
            watcher.fail(error)
            self._watchers.remove(watcher)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds, checking it after any progress and now and then."""
        if self._following is None or self._following.done():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_GRACE_S):
                while not condition():
                    self._progress.clear()
                    await self._progress.wait()

    # Joining.

    async def _joined(self, prefix: bytes, reached: int) -> AsyncGenerator[EventBatch, None]:
        """Yield the changes after ``reached``; live from where the shared watch is met."""
        options = self._options
        joined = self.position
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
                # Without what the past has shown already, or what precedes a start ahead of us.
                if live.revision > reached:
                    yield _after(live, reached)
                    reached = live.revision
        finally:
            self._watchers.remove(watcher)

    async def _past(
        self, prefix: bytes, reached: int, joined: int
    ) -> AsyncGenerator[EventBatch, None]:
        """Yield the changes after ``reached`` until ``joined`` is reached, or the store closes.

        It reads all our keys, not only those below ``prefix``: the shared watch stands at an event
        of ours, so this stream certainly gets there (or beyond, with the next event).
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
        """Yield etcd's changes as event batches."""
        async with aclosing(changes(self._connection, span, after)) as stream:
            async for revision, found in stream:
                try:
                    events = [self._translation.event(change) for change in found]
                except IncompleteHistoryError:
                    raise RevisionCompactedError(after, revision) from None
                yield revision, events

    # Following.

    async def _follow(self) -> None:
        """Keep the shared watch running; after an error it resumes where it was."""
        pause_s = _PAUSE_S_MIN
        lost = False
        while True:
            try:
                async with aclosing(
                    self._changes(self._translation.span(b""), self.position)
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
            except StoreFailedError as error:
                self._failed(error)
                return
            except Exception as error:  # noqa: BLE001 - watchers must not wait for ever
                _LOG.exception("the watch of etcd failed")
                self._failed(StoreFailedError(f"the watch of etcd failed: {error}"))
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    def _publish(self, revision: int, events: list[Event]) -> None:
        self.position = revision
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
        self._watchers.bookmark(self.position)

    async def _begin_again(self, error: RevisionCompactedError) -> None:
        """Continue from now, as etcd has forgotten what the shared watch has not seen."""
        with contextlib.suppress(StoreFailedError):  # Then the next attempt fails again.
            position = await self._refresh()
            # No await in between: a joining watcher sees either the old position and this end,
            # or the new position.
            self.position = position
            _LOG.warning("etcd compacted what was not read yet: %s", error)
            for watcher in self._watchers.all():
                watcher.fail(_BegunAgainError())
                self._watchers.remove(watcher)


def _after(batch: EventBatch, reached: int) -> EventBatch:
    """Return ``batch`` without the events at or below ``reached``."""
    if not batch.events or batch.events[0].revision > reached:
        return batch
    return EventBatch(batch.revision, [e for e in batch.events if e.revision > reached])
