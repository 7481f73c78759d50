"""The pauses before pods that failed are replaced.

Owns: how long a job waits after failures: 10 s, doubled with each further one, 6 minutes at most.

Invariant: the pause follows from the pods that are there, so that it survives the controller.
"""

from __future__ import annotations

from collections.abc import Iterable

from podraft.api.core.v1 import pod_pb2
from podraft.api.moments import Now
from podraft.server.controllers.planners.jobs.pods import ended_s

FIRST_S = 10.0
LONGEST_S = 360.0
_DOUBLINGS_MAX = 10


def pause_left_s(
    failed: Iterable[pod_pb2.Pod], succeeded: Iterable[pod_pb2.Pod], now: Now
) -> float:
    """Return the seconds to wait, given the pods that ended.

    Only failures since the last success count.
    """
    since_s = max((ended_s(pod) for pod in succeeded), default=float("-inf"))
    ends = [end_s for pod in failed if (end_s := ended_s(pod)) > since_s]
    return left_s(len(ends), max(ends, default=0.0), now)


def left_s(failures: int, last_s: float, now: Now) -> float:
    """Return the seconds to wait after so many failures, the last of them at a stamp."""
    if not failures:
        return 0.0
    pause_s = min(FIRST_S * 2.0 ** min(failures - 1, _DOUBLINGS_MAX), LONGEST_S)
    return max(0.0, pause_s - now.age_s(last_s))
