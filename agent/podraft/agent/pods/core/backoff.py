"""Delays before the next try: Kubernetes' numbers, as pure functions.

Invariant: a delay never exceeds its bound, whatever the count.
"""

from __future__ import annotations

from podraft.agent.pods.core.records import ContainerPhase, Failure, ObservedContainer
from podraft.api.moments import Now

CRASH_FIRST_S = 10.0
CRASH_MAX_S = 300.0
STABLE_AFTER_S = 600.0

_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 60.0


def doubled(first_s: float, longest_s: float, count: int) -> float:
    """Return the delay after the ``count``-th failure in a row."""
    return min(first_s * 2.0 ** min(max(count - 1, 0), 32), longest_s)


def image_retry_at_s(failure: Failure) -> float:
    """Return the moment (steady clock) at which to pull an image again."""
    return failure.at_s + doubled(CRASH_FIRST_S, CRASH_MAX_S, failure.count)


def retry_at_s(failure: Failure) -> float:
    """Return the moment (steady clock) at which to try a failed preparation again."""
    return failure.at_s + doubled(_RETRY_FIRST_S, _RETRY_MAX_S, failure.count)


def crash_delay_s(ended: ObservedContainer, now: Now) -> float:
    """Return the seconds to wait after an ended attempt: 0 if it ran long enough."""
    assert ended.phase is ContainerPhase.EXITED
    ran_s = now.moment_s(ended.finished_s) - now.moment_s(ended.started_s)
    stable = ended.started_s > 0 and ran_s >= STABLE_AFTER_S
    return 0.0 if stable else ended.backoff_s


def next_backoff_s(delay_s: float) -> float:
    """Return the delay that the next attempt carries in its turn, after waiting ``delay_s``."""
    return CRASH_FIRST_S if delay_s <= 0 else min(2 * delay_s, CRASH_MAX_S)
