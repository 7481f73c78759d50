"""The decision how much history is kept, without clock or disk.

Owns: the retention policy, how much was written since when, and the revision below which history
may be forgotten.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Retention:
    """The bounds of history: its age in seconds, its number of revisions, and its bytes.

    The bytes are those of the written values.  The default leaves 2 KiB for each revision, more
    than most objects take, so that a client who writes a lot cannot fill the disk.
    """

    keep_s: float = 24 * 3600.0
    keep_revisions: int = 1_000_000
    keep_bytes: int = 2048 * _MIB


class WrittenBytes:
    """A count of the bytes written since each revision; bounded, as it interpolates samples."""

    def __init__(self, first: int, last: int, written: int, step: int = _MIB) -> None:
        """Start with ``written`` bytes in the revisions after ``first`` up to ``last``."""
        self._step = step
        self._last = (max(last, first), written)
        # Revisions, each with the bytes written up to it.
        self._samples = deque([(first, 0), self._last])
        self._forgotten = 0

    @property
    def kept(self) -> int:
        """The bytes of the revisions that are not forgotten."""
        return self._last[1] - self._forgotten

    def add(self, revision: int, size: int) -> None:
        """Count the bytes of one revision."""
        self._last = (revision, self._last[1] + size)
        if self._last[1] - self._samples[-1][1] >= self._step:
            self._samples.append(self._last)

    def _up_to(self, revision: int) -> int:
        """Return how many bytes were written up to ``revision``."""
        before = self._samples[0]
        if revision <= before[0]:
            return before[1]
        for sample in (*self._samples, self._last):
            if sample[0] > revision:
                share = (revision - before[0]) * (sample[1] - before[1])
                return before[1] + share // (sample[0] - before[0])
            before = sample
        return self._last[1]

    def begin_of(self, size: int) -> int:
        """Return the first revision after which at most ``size`` bytes were written."""
        floor = self._last[1] - size
        before = self._samples[0]
        if floor <= before[1]:
            return before[0]
        for sample in (*self._samples, self._last):
            if sample[1] >= floor:
                share = (floor - before[1]) * (sample[0] - before[0])
                return before[0] - (-share // (sample[1] - before[1]))
            before = sample
        return self._last[0]

    def forget(self, revision: int) -> None:
        """Forget the bytes written up to ``revision``."""
        self._forgotten = max(self._up_to(revision), self._forgotten)
        while len(self._samples) > 2 and self._samples[1][0] <= revision:
            self._samples.popleft()


def revision_at_bytes(retention: Retention, written: WrittenBytes) -> int:
    """Return the revision up to which history is too large to be kept; 0: it is not too large.

    History is cut to a twentieth below the bound, so that not every write calls for another cut.
    """
    if written.kept <= retention.keep_bytes:
        return 0
    return written.begin_of(retention.keep_bytes - retention.keep_bytes // 20)


def horizon_ms(retention: Retention, *, now_ms: int, interval_s: float) -> int:
    """Return the time, in milliseconds, before which everything is too old.

    It moves in steps of ``interval_s``, so that members who ask at different moments agree on it.
    """
    step_ms = max(int(interval_s * 1000), 1)
    return (now_ms - int(retention.keep_s * 1000)) // step_ms * step_ms


def compaction_target(
    retention: Retention,
    *,
    current: int,
    compacted: int,
    revision_at_horizon: int,
    revision_at_bytes: int = 0,
) -> int | None:
    """Return the revision to compact to, None if nothing is to be forgotten.

    ``revision_at_horizon`` is the last revision that is older than ``keep_s`` (0: none), and
    ``revision_at_bytes`` the one up to which history is too large.  Revisions in excess of
    ``keep_revisions`` are forgotten in steps, for the same reason as above: up to a hundredth less
    than allowed is kept.
    """
    step = max(retention.keep_revisions // 100, 1)
    too_many = -(-(current - retention.keep_revisions) // step) * step
    target = max(too_many, revision_at_horizon, revision_at_bytes)
    return target if compacted < target <= current else None
