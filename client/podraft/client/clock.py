"""The clocks of this process, and the steps of the wall clock that it has seen.

Invariants: memory is bounded; a caller that asks regularly learns of a step by its next call, and
stamps from before the step keep their age.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from math import inf

from podraft.api.moments import Era, Now

# A gently corrected clock runs a little faster or slower; that is not a step.
_STEP_S = 0.5
_ERAS_MAX = 16
_STAMPS_MAX = 10_000


class Clock:
    """The source of the present moment, by both clocks."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._past: tuple[Era, ...] = ()
        self._since_s = -inf
        self._last_s = steady()
        self._ahead_s = wall() - self._last_s
        self._first_seen: OrderedDict[float, float] = OrderedDict()

    def now(self) -> Now:
        """Return the present moment."""
        steady_s, wall_s = self._steady(), self._wall()
        ahead_s = wall_s - steady_s
        if abs(ahead_s - self._ahead_s) > _STEP_S:
            # The step happened between the previous call and this one.
            ended = Era(self._since_s, steady_s + self._ahead_s, self._ahead_s)
            self._past = (ended, *self._past)[:_ERAS_MAX]
            # Many stamps are whole seconds, rounded down.
            self._since_s = self._last_s + ahead_s - 1.0
        self._last_s, self._ahead_s = steady_s, ahead_s
        return Now(wall_s, steady_s, self._since_s, self._past, self._remember)

    def _remember(self, stamp_s: float) -> float:
        """Return when a stamp that this clock has not shown was first seen."""
        moment_s = self._first_seen.setdefault(stamp_s, self._last_s)
        self._first_seen.move_to_end(stamp_s)
        if len(self._first_seen) > _STAMPS_MAX:
            self._first_seen.popitem(last=False)
        return moment_s
