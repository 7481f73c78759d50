"""A leader's knowledge of one follower's log.

Owns: up to where the logs are equal (``match``), what to send next, and how much may be under way.

Invariants: ``match < next``; at most ``in_flight_max`` messages with entries are unanswered, one
while probing, none while a snapshot is on its way.
"""

from __future__ import annotations

from collections import deque
from enum import Enum


class Pace(Enum):
    """The way in which entries are sent to a follower."""

    PROBE = "probe"  # One message at a time, until it is known where the logs are equal.
    REPLICATE = "replicate"  # Pipelined, hoping for the best.
    SNAPSHOT = "snapshot"  # What it needs is compacted; the shell sends a snapshot.


class Progress:
    """One follower, as its leader sees it."""

    __slots__ = (
        "_in_flight",
        "_proposed",
        "active",
        "in_flight_max",
        "match",
        "next",
        "pace",
        "paused",
        "round",
        "told",
    )

    def __init__(self, next_index: int, in_flight_max: int) -> None:
        self.match = 0
        self.next = next_index
        self.pace = Pace.PROBE
        self.paused = False
        self.active = True
        self.round = 0
        # The commit index that the follower was told last.
        self.told = 0
        self.in_flight_max = in_flight_max
        self._in_flight: deque[int] = deque()
        self._proposed: deque[int] = deque()

    @property
    def may_send(self) -> bool:
        """Whether one more message with entries may leave."""
        if self.pace is Pace.REPLICATE:
            return len(self._in_flight) < self.in_flight_max
        return self.pace is Pace.PROBE and not self.paused

    def sent(self, last_index: int, *, entries: bool) -> None:
        """Learn that a message with entries up to ``last_index`` was sent."""
        if self.pace is Pace.PROBE:
            self.paused = True
        elif entries:
            self.next = last_index + 1
            self._in_flight.append(last_index)

    def proposed(self, index: int) -> None:
        """Learn that the entries up to ``index`` are the follower's: it waits for their commit."""
        self._proposed.append(index)

    def awaits(self, commit: int) -> bool:
        """Return whether ``commit`` newly covers some of the follower's proposals."""
        proposed = self._proposed
        awaited = bool(proposed) and proposed[0] <= commit
        while proposed and proposed[0] <= commit:
            proposed.popleft()
        return awaited

    def matched(self, index: int) -> None:
        """Learn that the follower has everything up to ``index``."""
        in_flight = self._in_flight
        while in_flight and in_flight[0] <= index:
            in_flight.popleft()
        self.next = max(self.next, index + 1)
        self.match = max(self.match, index)

    def replicate(self) -> None:
        """Pipeline entries: it is known where the logs are equal."""
        self.pace = Pace.REPLICATE
        self.paused = False
        self.next = self.match + 1
        self._in_flight.clear()

    def probe(self, next_index: int = 0) -> None:
        """Probe for the end of the follower's log: a message was lost, or a snapshot was sent."""
        self.pace = Pace.PROBE
        self.paused = False
        self.next = max(next_index, self.match + 1)
        self._in_flight.clear()

    def await_snapshot(self) -> None:
        """Send nothing until the snapshot's fate is known."""
        self.pace = Pace.SNAPSHOT
        self._in_flight.clear()

    def refused(self, previous_index: int, candidate: int) -> bool:
        """Learn that the follower lacks the entry at ``previous_index``, and try ``candidate``.

        Return whether the refusal is news: old ones change nothing.
        """
        if self.pace is Pace.SNAPSHOT or previous_index <= self.match:
            return False
        if self.pace is Pace.PROBE and previous_index != self.next - 1:
            return False
        self.probe(min(previous_index, candidate + 1))
        return True
