"""The memory of one kind, fed by one watch of the store.

Owns: a ring of recent events, the decoded objects, the watchers, and (of some kinds) an index:
they are changed together, by each event.  Invariants: every watcher gets every event after its
start that it selects, once, in revision order; a watcher that is told of an event finds it in the
index.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import Final

from podraft.api.kinds import AnyKind
from podraft.server.registry.cache.decoded import DecodedBytes
from podraft.server.registry.cache.events import CachedEvent
from podraft.server.registry.cache.index import Index
from podraft.server.registry.cache.watchers import Watcher, Watchers
from podraft.server.registry.selection import Selection
from podraft.server.registry.slices import Work
from podraft.server.state.datastore import Event, EventBatch, Record

_RING_EVENTS_MAX: Final = 8192
_RING_BYTES_MAX: Final = 8 * 1024 * 1024
# Some objects: a fraction of a millisecond.
_ASK_AFTER_BYTES: Final = 8 * 1024


class KindCache:
    """One kind's recent events, decoded objects and watchers; fed by `take`."""

    def __init__(self, kind: AnyKind, revision: int, shared: DecodedBytes) -> None:
        self.kind = kind
        # Every event after `oldest` up to `revision` is in the ring.
        self.revision = revision
        self.oldest = revision
        self.objects = shared.share(kind)
        self.watchers = Watchers(kind)
        # What the server looks up in objects of few kinds: pods by node, roles by subject.
        self.index: Index | None = None
        self._ring: deque[CachedEvent] = deque()
        self._ring_bytes = 0

    def event(self, event: Event) -> CachedEvent:
        """Return a store event with its caches of encodings and decoded objects, still empty."""
        return CachedEvent(event, self.objects, namespaced=self.kind.namespaced)

    async def selected(
        self, records: Sequence[Record], selection: Selection, work: Work
    ) -> Sequence[Record]:
        """Return the records whose objects match, in the same order."""
        if not selection.looks_inside:
            return records
        objects, found, unasked = self.objects, list[Record](), 0
        with work:
            for record in records:
                value = record.value
                if selection.matches(objects.get(record.key, record.mod_revision, value)):
                    found.append(record)
                # Cost grows with an object's bytes; asking the clock costs as much as a small one.
                unasked += len(value)
                if unasked >= _ASK_AFTER_BYTES:
                    unasked = 0
                    if work.is_long:
                        await work.pause()
        return found

    def take(self, batch: EventBatch) -> None:
        """Pass a batch of the store's events to the index and to all interested watchers."""
        for each in batch.events:
            event = self.event(each)
            self._ring.append(event)
            self._ring_bytes += event.size
            if self.index is not None:
                self.index.take(event)
            self.watchers.offer(event)
            if each.value is None:
                self.objects.forget(each.key)
        self.revision = max(self.revision, batch.revision)
        self._trim()

    def _trim(self) -> None:
        ring = self._ring
        while len(ring) > _RING_EVENTS_MAX or self._ring_bytes > _RING_BYTES_MAX:
            # A revision leaves as a whole: half of one could not be resumed from.
            self.oldest = ring[0].event.revision
            while ring and ring[0].event.revision == self.oldest:
                self._ring_bytes -= ring.popleft().size

    def after(self, revision: int) -> list[CachedEvent]:
        """Return the ring's events after ``revision``, which must not be below `oldest`."""
        found = list(
            itertools.takewhile(lambda event: event.event.revision > revision, reversed(self._ring))
        )
        found.reverse()
        return found

    def attach(self, watcher: Watcher) -> None:
        """Offer events to ``watcher`` from now on, first the ring's events after its start.

        The start must not be below `oldest`.
        """
        for event in self.after(watcher.start):
            watcher.offer(event)
        self.watchers.add(watcher)

    def reset(self, revision: int, error: Exception) -> None:
        """Start again at ``revision`` after a gap: end every watcher with ``error``."""
        self.watchers.end(error)
        self._ring.clear()
        self._ring_bytes = 0
        self.revision = self.oldest = revision
