"""A histogram of durations, and what can be computed from it; pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

# Upper bounds in seconds: 61 us to 32 s, each twice the one before; a last bucket has no bound.
BOUNDS_S: Final[tuple[float, ...]] = tuple(32.0 * 0.5**power for power in range(19, -1, -1))


def count_above(counts: Sequence[int], limit_s: float) -> int:
    """Return how many of the counted durations were surely ``limit_s`` or more."""
    return sum(counts[bisect_left(BOUNDS_S, limit_s) + 1 :])


def quantile_s(counts: Sequence[int], fraction: float) -> float:
    """Return a quantile of counted durations in seconds, interpolated in its bucket; 0 of none."""
    wanted = fraction * sum(counts)
    if not wanted:
        return 0.0
    below = 0
    for at, count in enumerate(counts[:-1]):
        if count and below + count >= wanted:
            low = BOUNDS_S[at - 1] if at else 0.0
            return low + (BOUNDS_S[at] - low) * (wanted - below) / count
        below += count
    return BOUNDS_S[-1]
