"""Moments by two clocks: the wall clock, for writing, and a steady one, for measuring.

The wall clock is set, and steps.  A duration is never the difference of two of its stamps: a
stored stamp is first converted to a moment of the steady clock, taking into account the steps
that this process has seen.

Invariant: pure; a stamp's moment is never later than now, so that nobody waits for longer
than asked, whatever a clock says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Era:
    """A period without steps: its wall-clock stamps, and how far that clock was ahead."""

    begin_s: float
    end_s: float
    ahead_s: float

    def moment_s(self, stamp_s: float) -> float:
        """Return the steady clock's moment of a stamp."""
        return stamp_s - self.ahead_s


@dataclass(frozen=True, slots=True)
class Now:
    """The present moment.

    ``wall_s``, in seconds since the epoch, is written into objects.  ``steady_s`` is for
    measuring; only its differences have a meaning.  ``past`` holds the eras before the last
    step of the wall clock, the latest first; ``first_seen`` says when this process first saw
    a stamp that none of its own clocks has shown yet.
    """

    wall_s: float
    steady_s: float
    since_s: float = -inf
    past: tuple[Era, ...] = ()
    first_seen: Callable[[float], float] | None = None

    @classmethod
    def at(cls, seconds: float) -> Now:
        """Return a moment of two clocks that agree."""
        return cls(seconds, seconds)

    def moment_s(self, stamp_s: float) -> float:
        """Return when, by the steady clock, a stored stamp was written; never later than now."""
        for era in (Era(self.since_s, self.wall_s, self.wall_s - self.steady_s), *self.past):
            if era.begin_s <= stamp_s <= era.end_s:
                return min(era.moment_s(stamp_s), self.steady_s)
        # Another machine's clock is ahead, or did not step when ours did.
        return self.steady_s if self.first_seen is None else self.first_seen(stamp_s)

    def age_s(self, stamp_s: float) -> float:
        """Return how many seconds ago a stored stamp was written; never negative."""
        return self.steady_s - self.moment_s(stamp_s)
