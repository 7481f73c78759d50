"""The watch streams of clients.

Owns: each stream's way from its start revision to its kind's cache.  Invariant: between the
objects or events that a stream began with and the live ones there is no gap and no repetition.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Final

from podraft.server.registry import encoding
from podraft.server.registry.cache.caches import Caches, no_kind
from podraft.server.registry.cache.events import CachedEvent
from podraft.server.registry.cache.kind_cache import KindCache
from podraft.server.registry.cache.watch_starts import WatchStart
from podraft.server.registry.cache.watchers import RESPONSE_BYTES_MAX, Watcher
from podraft.server.registry.freshness import newest_revision
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import OverBudgetError, Work
from podraft.server.state.datastore import (
    Datastore,
    EventBatch,
    FutureRevisionError,
    StoreFailedError,
)
from podraft.server.state.reads import Reads

# The number of events that are shown to a new watcher in one go.
_FEW_EVENTS: Final = 32


class Watches:
    """All watches of the API server."""

    def __init__(
        self, datastore: Datastore, caches: Caches, stale_reads: Reads | None = None
    ) -> None:
        self._datastore = datastore
        self._stale_reads = stale_reads or datastore
        self._caches = caches

    async def stream(
        self, selection: Selection, begin: WatchStart, work: Work
    ) -> AsyncGenerator[bytes, None]:
        """Yield encoded watch responses, for ever or until the timeout.

        Raises:
            RefusedError: The server is stopping.
            RevisionCompactedError: Changes after that revision are no longer kept.
                FutureRevisionError: The revision has not been reached.
                SlowWatcherError: The client does not keep up.
                OverBudgetError: Replaying the missed events takes too much time; a bookmark has
                    told how far the stream came.
        """
        if self._caches.closing is not None:
            raise self._caches.closing
        cache, watcher = self._caches.of(selection.kind), None
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + begin.timeout_s if begin.timeout_s else 0.0
        try:
            start, initial = await self._begin(selection, cache, begin, work)
            for response in initial:
                yield response
            del initial
            async with aclosing(self._missed(selection, cache, start, work)) as missed:
                try:
                    async for response, reached in missed:
                        if response:
                            yield response
                        start = reached
                except OverBudgetError:
                    if begin.has_bookmarks:
                        yield encoding.encode_bookmark(start)
                    raise
            if self._caches.closing is not None:
                raise self._caches.closing
            if self._caches.of(selection.kind) is not cache:
                raise no_kind(selection.kind)
            # There is no await between the last look at the cache and this, so there is no gap.
            watcher = Watcher(selection, start, has_bookmarks=begin.has_bookmarks)
            cache.attach(watcher)
            if ends_at_s:
                loop.call_at(ends_at_s, watcher.expire)
            while response := await watcher.next():
                yield response
            if begin.has_bookmarks:
                # The watcher was offered everything up to the cache's revision, and has none left.
                yield encoding.encode_bookmark(max(cache.revision, start))
        finally:
            if watcher is not None:
                cache.watchers.discard(watcher)

    async def _begin(
        self, selection: Selection, cache: KindCache, begin: WatchStart, work: Work
    ) -> tuple[int, Iterator[bytes]]:
        """Return the revision after which changes are shown, and the responses before them."""
        start = begin.revision
        # The revision may come from another member, which has applied more than this one.
        if start > self._datastore.revision or not (start or begin.shows_objects):
            newest = await newest_revision(self._datastore)
            if start > newest:
                raise FutureRevisionError(start, newest)
            start = start or newest
        if not begin.shows_objects:
            return start, iter(())
        reads = self._stale_reads if begin.may_be_old else self._datastore
        page = await reads.range(selection.prefix)
        records = await cache.selected(page.records, selection, work)
        # Each response is encoded when the client has taken those before: until then a slow client
        # costs no more than the stored bytes, which all share.
        initial = (encoding.encode_event(encoding.ADDED, record.value) for record in records)
        end = (encoding.encode_end_of_objects(page.revision),) if begin.has_bookmarks else ()
        return page.revision, _responses(itertools.chain(initial, end))

    async def _missed(
        self, selection: Selection, cache: KindCache, start: int, work: Work
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """Yield the events after ``start``, and how far they go, until the cache can take over.

        Events that happen meanwhile are in the cache's ring, or in the store's history if this
        takes long.
        """
        while True:
            if start < cache.oldest:
                async with aclosing(self._replayed(selection, cache, start, work)) as replayed:
                    async for response, start in replayed:
                        yield response, start
            events = cache.after(start)
            if len(events) <= _FEW_EVENTS:
                return
            async for response, start in _encoded(events, selection, work):
                yield response, start

    async def _replayed(
        self, selection: Selection, cache: KindCache, start: int, work: Work
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """Yield responses from the store's history until the cache's ring can take over."""
        batches = self._datastore.watch(selection.prefix, start)
        try:
            async for batch in batches:
                events = [cache.event(event) for event in batch.events]
                async for response, reached in _encoded(events, selection, work):
                    yield response, reached
                yield b"", batch.revision
                if batch.revision >= cache.oldest:
                    return
        finally:
            await _close(batches)
        raise self._caches.closing or StoreFailedError("the store is closed")


async def _close(batches: AsyncIterator[EventBatch]) -> None:
    """Make the store forget a watch now rather than when it is collected."""
    if isinstance(batches, AsyncGenerator):
        await batches.aclose()


async def _encoded(
    events: Sequence[CachedEvent], selection: Selection, work: Work
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Yield responses with the selected ones of ``events``, and how far each response goes.

    Revisions stay whole: readers rely on it, and may go on after any response.
    """
    reached, pending, size = 0, list[bytes](), 0
    for revision, group in itertools.groupby(events, lambda each: each.event.revision):
        if size > RESPONSE_BYTES_MAX:
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


async def _selected(events: Iterable[CachedEvent], selection: Selection, work: Work) -> list[bytes]:
    encoded = []
    with work:
        for event in events:
            if (told := event.encoded_for(selection)) is not None:
                encoded.append(told)
            if work.is_long:
                await work.pause()
    return encoded


def _responses(events: Iterable[bytes]) -> Iterator[bytes]:
    """Join encoded events into responses of a bounded size."""
    pending: list[bytes] = []
    size = 0
    for event in events:
        if pending and size + len(event) > RESPONSE_BYTES_MAX:
            yield b"".join(pending)
            pending, size = [], 0
        pending.append(event)
        size += len(event)
    if pending:
        yield b"".join(pending)
