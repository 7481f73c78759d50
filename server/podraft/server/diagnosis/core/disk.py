"""The rules that tell when a disk is too slow for a leader.

Owns: the rules and their hysteresis: when to warn, when to hand over the leadership.

A candidate's vote for itself and a voter's answer must be durable one after the other, before the
next follower loses patience: two syncs and a round trip within an election timeout.  And every
caller that waits for a write waits for a sync on a majority's disks.  So a sync should take a small
part of the election timeout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podraft.server.store.durations import count_above

# A disk is slow from this share of the election timeout on, and well again below half of it.
SLOW_SHARE = 0.25
WELL_SHARE = SLOW_SHARE / 2
# Without elections (one server alone): the default timeout of a group.
ELECTION_S_DEFAULT = 0.5
# The 99th percentile counts; but fewer slow syncs than these are accidents.
_PERCENT = 0.01
_SLOW_SYNCS_MIN = 3


# A leader waits so long with a stalling disk, and so long after it has handed over: a moment's
# trouble (a snapshot, a neighbour on the same disk) is no reason, and leadership must not wander.
HAND_OVER_AFTER_S = 5.0
HAND_OVER_AGAIN_S = 300.0


@dataclass(frozen=True, slots=True)
class DiskObservation:
    """The syncs of the last minute by duration (as ``Latencies`` count), and the one going on now.

    ``median_s``: of the last ten to twenty seconds; 0 if there were none.
    """

    counts: Sequence[int]
    waiting_s: float = 0.0
    median_s: float = 0.0


def slow_after_s(election_s: float) -> float:
    """Return the duration in seconds from which on a sync is slow."""
    return SLOW_SHARE * election_s


def is_slow(observed: DiskObservation, election_s: float, *, was_slow: bool) -> bool:
    """Return whether the disk is slow; a slow one is well only when it is clearly quicker."""
    share = WELL_SHARE if was_slow else SLOW_SHARE
    limit_s = share * election_s
    # A sync that still hangs is slow only if that is beyond doubt.
    if observed.waiting_s >= max(limit_s, election_s):
        return True
    slow = count_above(observed.counts, limit_s)
    return slow >= _SLOW_SYNCS_MIN and slow >= _PERCENT * sum(observed.counts)


def stalls(observed: DiskObservation, election_s: float) -> bool:
    """Return whether most writes, and not only some, have to wait for the disk."""
    return observed.waiting_s >= election_s or observed.median_s >= slow_after_s(election_s)


def should_hand_over(*, leads: bool, stalled_s: float, handed_over_s: float) -> bool:
    """Return whether a leader should let another member lead, if one is well.

    ``stalled_s``: the seconds for which its disk has stalled; ``handed_over_s``: the seconds
    since the last attempt to hand over.
    """
    return leads and stalled_s >= HAND_OVER_AFTER_S and handed_over_s >= HAND_OVER_AGAIN_S
