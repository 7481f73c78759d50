"""Durations of an operation, counted at next to no cost.

Owns: a histogram since the start, and the distribution over the last minute (or another period).

Invariant: one thread observes; others may read at any time and see counts that are whole, if not
of the same instant.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Final

from podraft.server.store.durations import BOUNDS_S, quantile_s

_WINDOW_S: Final = 10.0
_WINDOWS: Final = 6


class Latencies:
    """A histogram of durations by ``BOUNDS_S``; recent means the last six ``window_s``."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, window_s: float = _WINDOW_S
    ) -> None:
        self._clock = clock
        self._window_s = window_s
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0
        # When the current operation began.
        self._since: float | None = None
        # The start of each window, and its counts.
        self._windows: deque[tuple[float, list[int]]] = deque(maxlen=_WINDOWS)

    def begin(self) -> None:
        """Start timing an operation, which ``end`` counts."""
        self._since = self._clock()

    def end(self) -> None:
        """Count the operation that has ended."""
        if self._since is not None:
            self.observe(self._clock() - self._since)
            self._since = None

    @property
    def waiting_s(self) -> float:
        """How long, in seconds, the current operation has taken so far; 0 if there is none."""
        since = self._since
        return self._clock() - since if since is not None else 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration, in seconds."""
        at = bisect_left(BOUNDS_S, duration_s)
        self.counts[at] += 1
        self.sum_s += duration_s
        now = self._clock()
        if not self._windows or now >= self._windows[-1][0] + self._window_s:
            self._windows.append((now, [0] * len(self.counts)))
        self._windows[-1][1][at] += 1

    def recent(self, windows: int = _WINDOWS) -> list[int]:
        """Return the counts of about the last minute, or of some windows of it."""
        since = self._clock() - windows * self._window_s
        total = [0] * len(self.counts)
        for began, counts in list(self._windows):
            if began >= since:
                total = [a + b for a, b in zip(total, counts, strict=True)]
        return total

    def recent_quantile_s(self, fraction: float) -> float:
        """Return a quantile, in seconds, of about the last minute; 0 if nothing was observed."""
        return quantile_s(self.recent(), fraction)
