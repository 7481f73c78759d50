"""How much history is kept: the decision, without clock or disk.

Owns: the retention policy and the revision below which history may go.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retention:
    """Keep what is younger than ``keep_s``, but at most ``keep_revisions`` revisions."""

    keep_s: float = 24 * 3600.0
    keep_revisions: int = 1_000_000


def horizon_ms(retention: Retention, *, now_ms: int, interval_s: float) -> int:
    """Return the time before which all is too old.

    It moves in steps of ``interval_s``: members, who look at different moments, find the same one.
    """
    step_ms = max(int(interval_s * 1000), 1)
    return (now_ms - int(retention.keep_s * 1000)) // step_ms * step_ms


def compaction_target(
    retention: Retention, *, current: int, compacted: int, revision_at_horizon: int
) -> int | None:
    """Return the revision to compact to, None if nothing is to be forgotten.

    ``revision_at_horizon`` is the last revision that is older than ``keep_s`` (0: none).  What is
    too much goes in steps, for the reason above: up to a hundredth less than allowed is kept.
    """
    step = max(retention.keep_revisions // 100, 1)
    too_many = -(-(current - retention.keep_revisions) // step) * step
    target = max(too_many, revision_at_horizon)
    return target if compacted < target <= current else None
