"""The watchers of a kind: their queues, and the index from event to interested watchers.

Invariants: an event costs as much as its interested watchers, not as all of them; a watcher that
falls behind is ended, never skipped.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterator
from typing import Final, TypeAlias

from podraft.api.kinds import AnyKind
from podraft.api.selectors.fields import field_value
from podraft.server.registry.cache.events import CachedEvent
from podraft.server.registry.selection import Selection
from podraft.server.state.datastore import SlowWatcherError

_QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
RESPONSE_BYTES_MAX: Final = 256 * 1024
# Agents select their pods, and single objects that those mention: with thousands of nodes,
# an event must not be tried against every one of these selectors.
_INDEXED_FIELDS: Final = ("spec.nodeName", "metadata.name")

Place: TypeAlias = tuple[str, str]  # (indexed field, value), or ("", namespace), or ("", "")
_EVERYWHERE: Final[Place] = ("", "")


class Watcher:
    """One watch's queue of encoded events, filled by its kind's cache, emptied by its stream."""

    __slots__ = (
        "_error",
        "_expired",
        "_queue",
        "_size",
        "_waiter",
        "active_at_s",
        "has_bookmarks",
        "selection",
        "start",
    )

    def __init__(self, selection: Selection, start: int, *, has_bookmarks: bool = True) -> None:
        self.selection = selection
        self.start = start
        self.has_bookmarks = has_bookmarks
        self._expired = False
        self.active_at_s = time.monotonic()
        # Revision and encoded event; the queue always ends with a whole revision.
        self._queue: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, event: CachedEvent) -> None:
        """Queue the event if it is selected and after the watcher's start."""
        if event.event.revision <= self.start or self._error is not None:
            return
        encoded = event.encoded_for(self.selection)
        if encoded is not None:
            self.push(event.event.revision, encoded)

    def push(self, revision: int, encoded: bytes) -> None:
        """Queue an encoded event; all of one revision are queued in one turn of the loop."""
        self._queue.append((revision, encoded))
        self._size += len(encoded)
        if self._size > _QUEUE_BYTES_MAX:
            self.end(SlowWatcherError("the watcher fell behind"))
        else:
            self._wake()

    def end(self, error: Exception) -> None:
        """Fail the stream with ``error`` and drop what is still queued."""
        if self._error is None:
            self._error = error
            self._queue.clear()
            self._size = 0
            self._wake()

    def expire(self) -> None:
        """End the stream without an error, as soon as what is queued now was taken."""
        self._expired = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> bytes:
        """Wait for events and return those queued: whole revisions, up to a response's size.

        Nothing is returned once the watch has expired and nothing is queued.  A single revision is
        returned whole, however large: readers rely on it.

        Raises:
            Exception: The error that `end` was called with.
        """
        queue = self._queue
        while not queue:
            if self._error is not None:
                raise self._error
            if self._expired:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        if len(queue) == 1:
            response = queue.popleft()[1]
        elif self._size <= RESPONSE_BYTES_MAX:
            response = b"".join([encoded for _, encoded in queue])
            queue.clear()
        else:
            response = b"".join(self._take_revisions())
        self._size -= len(response)
        self.active_at_s = time.monotonic()
        return response

    def _take_revisions(self) -> list[bytes]:
        """Take whole revisions, at least one, until a response is full."""
        queue, taken, size = self._queue, [], 0
        while queue and (not size or size + self._first_revision_bytes() <= RESPONSE_BYTES_MAX):
            revision = queue[0][0]
            while queue and queue[0][0] == revision:
                taken.append(queue.popleft()[1])
                size += len(taken[-1])
        return taken

    def _first_revision_bytes(self) -> int:
        queue = self._queue
        of_first = itertools.takewhile(lambda entry: entry[0] == queue[0][0], queue)
        return sum(len(encoded) for _, encoded in of_first)


class Watchers:
    """The watchers of one kind, indexed by what their selections demand."""

    def __init__(self, kind: AnyKind) -> None:
        self._kind = kind
        self._by_place: dict[Place, dict[Watcher, None]] = {}
        # The number of watchers at the values of each indexed field.
        self._indexed: dict[str, int] = {}

    def __iter__(self) -> Iterator[Watcher]:
        return iter([watcher for here in self._by_place.values() for watcher in here])

    def __len__(self) -> int:
        return sum(map(len, self._by_place.values()))

    def add(self, watcher: Watcher) -> None:
        """Offer each later event to ``watcher``."""
        place = _place(watcher.selection)
        self._by_place.setdefault(place, {})[watcher] = None
        if place[0]:
            self._indexed[place[0]] = self._indexed.get(place[0], 0) + 1

    def discard(self, watcher: Watcher) -> None:
        """Offer ``watcher`` nothing more; harmless if it is not registered."""
        place = _place(watcher.selection)
        here = self._by_place.get(place, {})
        if watcher not in here:
            return
        del here[watcher]
        if not here:
            del self._by_place[place]
        if place[0]:
            self._indexed[place[0]] -= 1
            if not self._indexed[place[0]]:
                del self._indexed[place[0]]

    def end(self, error: Exception) -> None:
        """End every watch with ``error``."""
        for watcher in self:
            watcher.end(error)

    def offer(self, event: CachedEvent) -> None:
        """Offer an event to every watcher that it may concern."""
        by_place = self._by_place
        if not by_place:
            return
        for place in self._places(event):
            for watcher in by_place.get(place, ()):
                watcher.offer(event)

    def _places(self, event: CachedEvent) -> Iterator[Place]:
        """Yield the places of the watchers that the event may concern."""
        yield _EVERYWHERE
        if event.namespace:
            yield ("", event.namespace)
        for field in self._indexed:
            values = {
                field_value(self._kind, message, field)
                for message in (event.before, event.after)
                if message is not None
            }
            for value in values:
                yield (field, value)


def _place(selection: Selection) -> Place:
    for field in _INDEXED_FIELDS:
        value = selection.fields.required(field)
        if value is not None:
            return (field, value)
    return ("", selection.namespace)
