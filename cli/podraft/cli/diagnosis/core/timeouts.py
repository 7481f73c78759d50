"""The timeouts that suit the measured disks and network.

Owns: the rule.

** The heartbeat interval is at least 1.5 round trips, as a shorter one tells nothing new, and at
  least 0.1 s, because more frequent ones cost every member and gain nothing.
** An election needs the candidate's own vote on its disk, a round trip, and the voter's vote on its
  disk before the next follower loses patience: at least two syncs and two round trips, twice
  over, so that one bad moment does not cause an election.
* Five heartbeats may be lost or late before anybody campaigns; and no less than 0.5 s, because
  a process that collects garbage or is paused by its machine is not dead.

All use the 99th percentiles: what happens once in a hundred times happens every ten seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

HEARTBEAT_S_MIN = 0.1
ELECTION_S_MIN = 0.5
HEARTBEATS_PER_ELECTION = 5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The heartbeat interval of a leader, and the time that the most impatient follower waits."""

    heartbeat_s: float
    election_s: float


def needed(round_trip_s: float, sync_s: float) -> Timeouts:
    """Return the shortest timeouts that suit the measured 99th percentiles."""
    heartbeat_s = _rounded_up(max(HEARTBEAT_S_MIN, 1.5 * round_trip_s))
    election_s = _rounded_up(
        max(
            ELECTION_S_MIN,
            HEARTBEATS_PER_ELECTION * heartbeat_s,
            2 * (2 * sync_s + 2 * round_trip_s),
        )
    )
    return Timeouts(heartbeat_s, election_s)


def _rounded_up(seconds: float) -> float:
    """Return a duration rounded up to a tenth of a second."""
    return math.ceil(round(seconds * 10, 6)) / 10
