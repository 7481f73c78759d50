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


def compaction_target(
    retention: Retention, *, current: int, compacted: int, revision_at_horizon: int
) -> int | None:
    """Return the revision to compact to, None if nothing is to be forgotten.

    ``revision_at_horizon`` is the last revision that is older than ``keep_s`` (0: none).
    """
    target = max(current - retention.keep_revisions, revision_at_horizon)
    return target if compacted < target <= current else None
