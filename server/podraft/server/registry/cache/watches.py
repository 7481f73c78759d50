"""The watch hub: feeds for all kinds, and the streams that clients read.

Owns: one store watch per kind, however many clients watch it, and each
stream's way from its start revision to the live feed.  Invariant: between the
objects or events that a stream began with and the live ones there is no gap and no
repetition.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Final

from podraft.api.kinds import AnyKind, Change, Registry
from podraft.server.registry import encoding, keys
from podraft.server.registry.cache.decoded import DecodedObjects
from podraft.server.registry.cache.feed import Feed, FeedEvent, Watcher
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.freshness import newest_revision
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import OverBudgetError, Work
from podraft.server.state.datastore import (
    Datastore,
    EventBatch,
    FutureRevisionError,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
)

_LOG = logging.getLogger(__name__)

_BOOKMARK_AFTER_S: Final = 30.0
_RESPONSE_BYTES_MAX: Final = 256 * 1024
_PAUSE_AFTER_FAILURE_S: Final = 0.2
# So many events are shown to a new watcher in one go.
_FEW_EVENTS: Final = 32


class WatchHub:
    """Serves every watch of the API server, of whatever kinds there are."""

    def __init__(self, datastore: Datastore, decoded: DecodedObjects, known: Registry) -> None:
        self._datastore = datastore
        self._decoded = decoded
        self._feeds = {kind: self._new_feed(kind) for kind in known}
        self._following: dict[AnyKind, asyncio.Task[None]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._closing: RefusedError | None = None
        self._end_observing = known.observe(self._take_change)

    def feed(self, kind: AnyKind) -> Feed:
        """Return the feed of a kind.

        Raises:
            RefusedError: The kind has gone.
        """
        feed = self._feeds.get(kind)
        if feed is None:
            raise _gone(kind)
        return feed

    def start(self) -> None:
        """Begin to follow the store."""
        self._telling = asyncio.create_task(self._send_bookmarks())
        for feed in self._feeds.values():
            self._begin_to_follow(feed)

    async def close(self) -> None:
        """End all streams; their clients resume elsewhere or later."""
        self._end_observing()
        self._closing = RefusedError(Code.UNAVAILABLE, "the server is stopping")
        for feed in self._feeds.values():
            feed.end(self._closing)
        tasks = [*self._following.values(), *([self._telling] if self._telling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_change(self, change: Change) -> None:
        if change.is_known:
            feed = self._feeds[change.kind] = self._new_feed(change.kind)
            if self._telling is not None:
                self._begin_to_follow(feed)
            return
        feed = self._feeds.pop(change.kind)
        feed.end(_gone(change.kind))
        if (following := self._following.pop(change.kind, None)) is not None:
            following.cancel()

    def _new_feed(self, kind: AnyKind) -> Feed:
        return Feed(kind, self._decoded, self._datastore.revision)

    def _begin_to_follow(self, feed: Feed) -> None:
        self._following[feed.kind] = asyncio.create_task(self._follow(feed))

    async def stream(
        self, selection: Selection, resource_version: str, work: Work
    ) -> AsyncGenerator[bytes, None]:
        """Yield encoded watch responses, for ever.

        Raises:
            RefusedError: ``resource_version`` is no revision, or the server is stopping.
            RevisionCompactedError: Changes after it are no longer kept.
            FutureRevisionError: It has not been reached.
            SlowWatcherError: The client does not keep up.
            OverBudgetError: What has happened since takes too much time; a bookmark has told
                how far it came.
        """
        if self._closing is not None:
            raise self._closing
        feed, watcher = self.feed(selection.kind), None
        try:
            start, initial = await self._begin(selection, resource_version, work)
            for response in initial:
                yield response
            del initial
            async with aclosing(self._missed(selection, feed, start, work)) as missed:
                try:
                    async for response, reached in missed:
                        if response:
                            yield response
                        start = reached
                except OverBudgetError:
                    yield encoding.encode_bookmark(start)
                    raise
            if self._closing is not None:
                raise self._closing
            if self.feed(selection.kind) is not feed:
                raise _gone(selection.kind)
            # No await between the last look at the feed and this: no gap.
            watcher = Watcher(selection, start)
            feed.attach(watcher)
            while True:
                yield await watcher.next()
        finally:
            if watcher is not None:
                feed.detach(watcher)

    async def _begin(
        self, selection: Selection, resource_version: str, work: Work
    ) -> tuple[int, Iterator[bytes]]:
        """Return the revision after which changes are shown, and what is shown before them."""
        if resource_version:
            start = _parse_revision(resource_version)
            # Another member may have said it, which has applied more than this one yet.
            if start > self._datastore.revision:
                newest = await newest_revision(self._datastore)
                if start > newest:
                    raise FutureRevisionError(start, newest)
            return start, iter(())
        page = await self._datastore.range(selection.prefix)
        records = await selection.filter(page.records, self._decoded, work)
        # Each is encoded when the client has taken those before: until then the stored bytes,
        # which all share, are all that a slow client costs.
        initial = (encoding.encode_event(encoding.ADDED, record.value) for record in records)
        bookmark = encoding.encode_bookmark(page.revision)
        return page.revision, _responses(itertools.chain(initial, (bookmark,)))

    async def _missed(
        self, selection: Selection, feed: Feed, start: int, work: Work
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """Yield what happened after ``start``, and how far it goes, until the feed can take over.

        What happens meanwhile is in the feed's ring, or in the store's history if that takes long.
        """
        while True:
            if start < feed.oldest:
                async with aclosing(self._history(selection, feed, start, work)) as history:
                    async for response, start in history:
                        yield response, start
            events = feed.after(start)
            if len(events) <= _FEW_EVENTS:
                return
            async for response, start in _encoded(events, selection, work):
                yield response, start

    async def _history(
        self, selection: Selection, feed: Feed, start: int, work: Work
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """Yield responses from the store's history until the feed's ring can take over."""
        batches = self._datastore.watch(selection.prefix, start)
        try:
            async for batch in batches:
                events = [FeedEvent(feed.kind, event, self._decoded) for event in batch.events]
                async for response, reached in _encoded(events, selection, work):
                    yield response, reached
                yield b"", batch.revision
                if batch.revision >= feed.oldest:
                    return
        finally:
            await _close(batches)
        raise self._closing or StoreFailedError("the store is closed")

    async def _follow(self, feed: Feed) -> None:
        """Keep one feed at the store's head; a gap ends its watches, which resume."""
        prefix = keys.prefix(feed.kind)
        while True:
            try:
                async for batch in self._datastore.watch(prefix, feed.revision):
                    feed.take(batch)
            except (RevisionCompactedError, SlowWatcherError) as error:
                _LOG.warning("the feed of %s starts again: %s", feed.kind.resource, error)
                feed.reset(self._datastore.revision, SlowWatcherError(str(error)))
            except StoreFailedError:
                # The process ends and says why; the hub's end ends the watches.
                return
            except Exception:  # noqa: BLE001 - whatever it was, the watches must go on
                _LOG.exception("the feed of %s failed", feed.kind.resource)
            await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _send_bookmarks(self) -> None:
        """Tell idle watchers how far they are, so that they can resume after compactions."""
        while True:
            await asyncio.sleep(_BOOKMARK_AFTER_S / 3)
            now_s = time.monotonic()
            for feed in self._feeds.values():
                bookmark = encoding.encode_bookmark(feed.revision)
                for watcher in feed.watchers():
                    is_idle = now_s - watcher.active_at_s >= _BOOKMARK_AFTER_S * 2 / 3
                    if is_idle and feed.revision > watcher.start:
                        watcher.push(feed.revision, bookmark)


def _gone(kind: AnyKind) -> RefusedError:
    return RefusedError(Code.NOT_FOUND, f"there is no kind {kind.group_resource} any more")


async def _close(batches: AsyncIterator[EventBatch]) -> None:
    """Let the store forget a watch now rather than when it is collected."""
    if isinstance(batches, AsyncGenerator):
        await batches.aclose()


async def _encoded(
    events: Sequence[FeedEvent], selection: Selection, work: Work
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Yield responses with those of ``events`` that are selected, and how far each goes.

    Whole revisions: readers rely on it, and may go on after any response.
    """
    reached, pending, size = 0, list[bytes](), 0
    for revision, group in itertools.groupby(events, lambda each: each.event.revision):
        if size > _RESPONSE_BYTES_MAX:
            yield b"".join(pending), reached
            pending, size = [], 0
        try:
            encoded = await _selected(group, selection, work)
        except OverBudgetError:
            if reached:
                yield b"".join(pending), reached
            raise
        pending += encoded
        size += sum(map(len, encoded))
        reached = revision
    if events:
        yield b"".join(pending), reached


async def _selected(events: Iterable[FeedEvent], selection: Selection, work: Work) -> list[bytes]:
    encoded = []
    with work:
        for event in events:
            if (told := event.encoded_for(selection)) is not None:
                encoded.append(told)
            if work.is_long:
                await work.pause()
    return encoded


def _parse_revision(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        raise invalid("resourceVersion", "must be a revision that the server returned, or empty")
    return int(text)


def _responses(events: Iterable[bytes]) -> Iterator[bytes]:
    """Join encoded events to responses of a bounded size."""
    pending: list[bytes] = []
    size = 0
    for event in events:
        if pending and size + len(event) > _RESPONSE_BYTES_MAX:
            yield b"".join(pending)
            pending, size = [], 0
        pending.append(event)
        size += len(event)
    if pending:
        yield b"".join(pending)
