"""How long something takes, counted so that it costs nothing.

Owns: a histogram since the start, and the distribution over the last minute (or another time).

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
    """Counts durations by ``BOUNDS_S``; what is recent is six times ``window_s``."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, window_s: float = _WINDOW_S
    ) -> None:
        self._clock = clock
        self._window_s = window_s
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0
        # When what goes on now began.
        self._since: float | None = None
        # When each window began, and its counts.
        self._windows: deque[tuple[float, list[int]]] = deque(maxlen=_WINDOWS)

    def begin(self) -> None:
        """Something begins which ``end`` counts."""
        self._since = self._clock()

    def end(self) -> None:
        """It has ended."""
        if self._since is not None:
            self.observe(self._clock() - self._since)
            self._since = None

    @property
    def waiting_s(self) -> float:
        """For how long that has gone on which goes on now; 0 if nothing does."""
        since = self._since
        return self._clock() - since if since is not None else 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration."""
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
        """Return a quantile of the last minute, about; 0 if nothing was observed."""
        return quantile_s(self.recent(), fraction)
