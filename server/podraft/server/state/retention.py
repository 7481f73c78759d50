"""How much history is kept: the decision, without clock or disk.

Owns: the retention policy, how much was written since when, and the revision below which history
may go.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep what is younger than ``keep_s``, but not more revisions, nor bytes, than these.

    The bytes are those of the written values.  What is allowed is room for all revisions with
    2 KiB each, more than most objects have: who only writes much cannot fill the disk.
    """

    keep_s: float = 24 * 3600.0
    keep_revisions: int = 1_000_000
    keep_bytes: int = 2048 * _MIB


class WrittenBytes:
    """How much was written since which revision; bounded, as what lies between is interpolated."""

    def __init__(self, first: int, last: int, written: int, step: int = _MIB) -> None:
        """Begin with ``written`` bytes in the revisions after ``first`` up to ``last``."""
        self._step = step
        self._last = (max(last, first), written)
        # Revisions, and how much was written up to each.
        self._samples = deque([(first, 0), self._last])
        self._forgotten = 0

    @property
    def kept(self) -> int:
        """The bytes of what is not forgotten."""
        return self._last[1] - self._forgotten

    def add(self, revision: int, size: int) -> None:
        """Count the bytes of one revision."""
        self._last = (revision, self._last[1] + size)
        if self._last[1] - self._samples[-1][1] >= self._step:
            self._samples.append(self._last)

    def _up_to(self, revision: int) -> int:
        """Return how much was written up to ``revision``."""
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
        """Return the first revision after which not more than ``size`` bytes were written."""
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
        """Forget what was written up to ``revision``."""
        self._forgotten = max(self._up_to(revision), self._forgotten)
        while len(self._samples) > 2 and self._samples[1][0] <= revision:
            self._samples.popleft()


def revision_at_bytes(retention: Retention, written: WrittenBytes) -> int:
    """Return the revision up to which history has to go for its size; 0: none has to.

    A twentieth less than allowed stays, so that not every write makes the next one due.
    """
    if written.kept <= retention.keep_bytes:
        return 0
    return written.begin_of(retention.keep_bytes - retention.keep_bytes // 20)


def horizon_ms(retention: Retention, *, now_ms: int, interval_s: float) -> int:
    """Return the time before which all is too old.

    It moves in steps of ``interval_s``: members, who look at different moments, find the same one.
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
    ``revision_at_bytes`` the one up to which history has to go for its size.  What is too much in
    number goes in steps, for the reason above: up to a hundredth less than allowed is kept.
    """
    step = max(retention.keep_revisions // 100, 1)
    too_many = -(-(current - retention.keep_revisions) // step) * step
    target = max(too_many, revision_at_horizon, revision_at_bytes)
    return target if compacted < target <= current else None
