"""When a disk is too slow for a leader.

Owns: the rule and its hysteresis.

A candidate's vote for itself and a voter's answer must be durable one after the other, before the
next follower loses patience: two syncs and a round trip within an election timeout.  And whoever
waits for a write waits for a sync on a majority's disks.  So a sync should take a small part of
the election timeout.
"""

from __future__ import annotations

from dataclasses import dataclass

# A disk is slow from this share of the election timeout on, and well again below half of it.
SLOW_SHARE = 0.25
WELL_SHARE = SLOW_SHARE / 2
# Without elections (one server alone): the default timeout of a group.
ELECTION_S_DEFAULT = 0.5
# So few syncs say nothing of a 99th percentile; one that does not end says enough.
_SYNCS_MIN = 20


@dataclass(frozen=True, slots=True)
class DiskObservation:
    """The last minute: how many syncs, their 99th percentile, and the one that goes on now."""

    syncs: int
    p99_s: float
    waiting_s: float


def slow_after_s(election_s: float) -> float:
    """Return from which duration on a sync is slow."""
    return SLOW_SHARE * election_s


def is_slow(observed: DiskObservation, election_s: float, *, was_slow: bool) -> bool:
    """Return whether the disk is slow; a slow one is well only when it is clearly quicker."""
    share = WELL_SHARE if was_slow else SLOW_SHARE
    limit_s = share * election_s
    # The one that hangs is slow only if it is so without doubt.
    if observed.waiting_s >= max(limit_s, election_s):
        return True
    enough = observed.syncs >= _SYNCS_MIN or was_slow
    return enough and observed.p99_s >= limit_s
