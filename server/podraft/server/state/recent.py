"""The last revisions' events in memory.

Owns: a bounded run of consecutive revisions up to the newest.  Watchers that resume
shortly after they left, and reads at a revision shortly ago, are served from it
without touching the history file.

Invariant: every event after ``start`` is held; the revisions are consecutive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from podraft.server.state.datastore import Event, Record

# Roughly the bytes that one event occupies besides its values.
_EVENT_OVERHEAD_BYTES = 400


def events_bytes(events: tuple[Event, ...]) -> int:
    """Return roughly how many bytes of memory ``events`` keep alive."""
    total = _EVENT_OVERHEAD_BYTES * len(events)
    for event in events:
        if event.value is not None:
            total += len(event.value)
        if event.previous is not None:
            total += len(event.previous.value)
    return total


class RecentEvents:
    """The events of the last revisions, bounded by count and by bytes."""

    def __init__(self, start: int, events_max: int, bytes_max: int) -> None:
        self.start = start
        self._revisions: deque[tuple[tuple[Event, ...], int]] = deque()
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._events = 0
        self._bytes = 0

    def append(self, revision: int, events: tuple[Event, ...]) -> None:
        """Add the events of the next revision; forget the oldest beyond the bounds."""
        if revision != self.start + len(self._revisions) + 1:
            raise ValueError(f"revision {revision} does not follow the recent ones")
        size = events_bytes(events)
        self._revisions.append((events, size))
        self._events += len(events)
        self._bytes += size
        while self._events > self._events_max or self._bytes > self._bytes_max:
            oldest, oldest_size = self._revisions.popleft()
            self._events -= len(oldest)
            self._bytes -= oldest_size
            self.start += 1

    def covers(self, revision: int) -> bool:
        """Return whether every event after ``revision`` is here."""
        return revision >= self.start

    def after(self, revision: int) -> Iterator[tuple[int, tuple[Event, ...]]]:
        """Yield the revisions after ``revision`` with their events, in order."""
        skipped = revision - self.start
        if skipped < 0:
            raise ValueError(
                f"events after {revision} are gone; the oldest kept follow {self.start}"
            )
        for offset, (events, _) in enumerate(islice(self._revisions, skipped, None)):
            yield revision + offset + 1, events

    def undo(self, prefix: bytes, revision: int) -> dict[bytes, Record | None]:
        """Return the records at ``revision`` of the keys below ``prefix`` that differ now."""
        old: dict[bytes, Record | None] = {}
        for _, events in self.after(revision):
            for event in events:
                if event.key.startswith(prefix):
                    old.setdefault(event.key, event.previous)
        return old
