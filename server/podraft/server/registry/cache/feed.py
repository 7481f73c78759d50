"""One kind's changes, fanned out to everyone who watches the kind.

Owns: a ring of recent events and the index from event to interested watchers.
Invariants: every watcher gets every event after its start that it selects, once,
in revision order; an event is encoded at most once per type however many watch;
an event costs what its interested watchers cost, not what all do; a watcher that
falls behind is ended, never skipped.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from podraft.api import selectors
from podraft.api.kinds import AnyKind
from podraft.server.registry import encoding, keys
from podraft.server.registry.cache.decoded import DecodedObjects
from podraft.server.registry.selection import Selection
from podraft.server.state.datastore import Event, EventBatch, SlowWatcherError
from podraft.server.state.revisions import revision_suffix

_RING_EVENTS_MAX: Final = 8192
_RING_BYTES_MAX: Final = 8 * 1024 * 1024
_QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
_RESPONSE_BYTES_MAX: Final = 256 * 1024
# Agents select their pods, and single objects that those mention: with thousands of nodes,
# an event must not be tried against every one of these selectors.
_INDEXED_FIELDS: Final = ("spec.nodeName", "metadata.name")

Place: TypeAlias = tuple[str, str]  # (indexed field, value), or ("", namespace), or ("", "")
_EVERYWHERE: Final[Place] = ("", "")


class FeedEvent:
    """An event and what was made of it so far: encodings by type, decoded objects."""

    __slots__ = ("_after", "_before", "_decoded", "_encoded", "event", "kind", "namespace")

    def __init__(self, kind: AnyKind, event: Event, decoded: DecodedObjects) -> None:
        self.kind = kind
        self.event = event
        self.namespace = keys.namespace_of(event.key) if kind.namespaced else ""
        self._decoded = decoded
        self._encoded: dict[int, bytes] = {}
        self._before: Any = None
        self._after: Any = None

    @property
    def size(self) -> int:
        """Bytes that the event keeps alive, roughly."""
        event = self.event
        before = event.previous.value if event.previous is not None else b""
        return len(event.value or b"") + len(before)

    @property
    def after(self) -> Any:
        """The object after the change; None if it was removed."""
        event = self.event
        if self._after is None and event.value is not None:
            self._after = self._decoded.get(self.kind, event.key, event.revision, event.value)
        return self._after

    @property
    def before(self) -> Any:
        """The object before the change; None if it is new."""
        previous = self.event.previous
        if self._before is None and previous is not None:
            self._before = self._decoded.get(
                self.kind, previous.key, previous.mod_revision, previous.value
            )
        return self._before

    def encoded_for(self, selection: Selection) -> bytes | None:
        """Return the event as ``selection`` sees it; None if it does not.

        An object that enters the selection is ADDED, one that leaves it DELETED.
        """
        event = self.event
        if selection.namespace and selection.namespace != self.namespace:
            return None
        was, is_now = event.previous is not None, event.value is not None
        if selection.looks_inside:
            was = was and selection.matches(self.before)
            is_now = is_now and selection.matches(self.after)
        if is_now:
            return self._encode(encoding.MODIFIED if was else encoding.ADDED)
        return self._encode(encoding.DELETED) if was else None

    def _encode(self, event_type: int) -> bytes:
        encoded = self._encoded.get(event_type)
        if encoded is None:
            event = self.event
            if event_type == encoding.DELETED:
                last = event.previous.value if event.previous is not None else b""
                value = last + revision_suffix(event.revision)
            else:
                value = event.value or b""
            encoded = self._encoded[event_type] = encoding.encode_event(event_type, value)
        return encoded

    def places(self, fields: Iterable[str]) -> Iterator[Place]:
        """Yield where watchers may sit that this event concerns."""
        yield _EVERYWHERE
        if self.namespace:
            yield ("", self.namespace)
        for field in fields:
            values = {
                selectors.field_value(self.kind, message, field)
                for message in (self.before, self.after)
                if message is not None
            }
            for value in values:
                yield (field, value)


class Watcher:
    """One watch's queue of encoded events, filled by its feed, emptied by its stream."""

    __slots__ = ("_error", "_queue", "_size", "_waiter", "active_at_s", "selection", "start")

    def __init__(self, selection: Selection, start: int) -> None:
        self.selection = selection
        self.start = start
        self.active_at_s = time.monotonic()
        # Revision and encoded event; what waits always ends with a whole revision.
        self._queue: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, event: FeedEvent) -> None:
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
        """Let the stream fail with ``error``; what is still queued is dropped."""
        if self._error is None:
            self._error = error
            self._queue.clear()
            self._size = 0
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> bytes:
        """Wait for events and return what is queued: whole revisions, up to a response's size.

        A single revision is returned whole, however large: readers rely on it.

        Raises:
            Exception: What `end` was called with.
        """
        queue = self._queue
        while not queue:
            if self._error is not None:
                raise self._error
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        if len(queue) == 1:
            response = queue.popleft()[1]
        elif self._size <= _RESPONSE_BYTES_MAX:
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
        while queue and (not size or size + self._first_revision_bytes() <= _RESPONSE_BYTES_MAX):
            revision = queue[0][0]
            while queue and queue[0][0] == revision:
                taken.append(queue.popleft()[1])
                size += len(taken[-1])
        return taken

    def _first_revision_bytes(self) -> int:
        queue = self._queue
        of_first = itertools.takewhile(lambda entry: entry[0] == queue[0][0], queue)
        return sum(len(encoded) for _, encoded in of_first)


class Feed:
    """The recent events of one kind and its watchers; fed by `take`."""

    def __init__(self, kind: AnyKind, decoded: DecodedObjects, revision: int) -> None:
        self.kind = kind
        # Every event after `oldest` up to `revision` is in the ring.
        self.revision = revision
        self.oldest = revision
        self.observers: list[Callable[[FeedEvent], None]] = []
        self._decoded = decoded
        self._ring: deque[FeedEvent] = deque()
        self._ring_bytes = 0
        self._watchers: dict[Place, dict[Watcher, None]] = {}
        self._indexed: dict[str, int] = {}

    def take(self, batch: EventBatch) -> None:
        """Give a batch of the store's events to all whom it concerns."""
        for event in batch.events:
            feed_event = FeedEvent(self.kind, event, self._decoded)
            self._ring.append(feed_event)
            self._ring_bytes += feed_event.size
            for observer in self.observers:
                observer(feed_event)
            self._dispatch(feed_event)
            if event.value is None:
                self._decoded.forget(event.key)
        self.revision = max(self.revision, batch.revision)
        self._trim()

    def _dispatch(self, event: FeedEvent) -> None:
        watchers = self._watchers
        if not watchers:
            return
        for place in event.places(self._indexed):
            for watcher in watchers.get(place, ()):
                watcher.offer(event)

    def _trim(self) -> None:
        ring = self._ring
        while len(ring) > _RING_EVENTS_MAX or self._ring_bytes > _RING_BYTES_MAX:
            # A revision leaves as a whole: half of one could not be resumed from.
            self.oldest = ring[0].event.revision
            while ring and ring[0].event.revision == self.oldest:
                self._ring_bytes -= ring.popleft().size

    def after(self, revision: int) -> list[FeedEvent]:
        """Return the ring's events after ``revision``, which must not be below `oldest`."""
        found = list(
            itertools.takewhile(lambda event: event.event.revision > revision, reversed(self._ring))
        )
        found.reverse()
        return found

    def attach(self, watcher: Watcher) -> None:
        """Begin to feed ``watcher``, first with what the ring has after its start.

        The start must not be below `oldest`.
        """
        for event in self.after(watcher.start):
            watcher.offer(event)
        place = _place(watcher.selection)
        self._watchers.setdefault(place, {})[watcher] = None
        if place[0]:
            self._indexed[place[0]] = self._indexed.get(place[0], 0) + 1

    def detach(self, watcher: Watcher) -> None:
        """Feed ``watcher`` no more; harmless if it is not attached."""
        place = _place(watcher.selection)
        here = self._watchers.get(place, {})
        if watcher not in here:
            return
        del here[watcher]
        if not here:
            del self._watchers[place]
        if place[0]:
            self._indexed[place[0]] -= 1
            if not self._indexed[place[0]]:
                del self._indexed[place[0]]

    def reset(self, revision: int, error: Exception) -> None:
        """Start again at ``revision`` after a gap: every watcher ends with ``error``."""
        for watcher in self.watchers():
            watcher.end(error)
        self._ring.clear()
        self._ring_bytes = 0
        self.revision = self.oldest = revision

    def watchers(self) -> list[Watcher]:
        """Return everyone who watches the kind."""
        return [watcher for here in self._watchers.values() for watcher in here]

    def end(self, error: Exception) -> None:
        """Let every watch end with ``error``."""
        for watcher in self.watchers():
            watcher.end(error)


def _place(selection: Selection) -> Place:
    for field in _INDEXED_FIELDS:
        value = selection.fields.required(field)
        if value is not None:
            return (field, value)
    return ("", selection.namespace)
