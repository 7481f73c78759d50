"""One moment as two clocks tell it: the wall's, which is written, and a steady one, which measures.

The wall's clock is set, and steps.  A duration is never the difference of two of its stamps:
a stamp that was stored is first turned into a moment of the steady clock, with the steps
that this process has seen in mind.

Invariant: pure; a stamp's moment is never later than now, so that nobody waits for longer
than he was told to, whatever a clock says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Era:
    """A time without steps: the wall's stamps in it, and how far the wall was ahead."""

    begin_s: float
    end_s: float
    ahead_s: float

    def moment_s(self, stamp_s: float) -> float:
        """Return the steady clock's moment of a stamp."""
        return stamp_s - self.ahead_s


@dataclass(frozen=True, slots=True)
class Now:
    """The present moment.

    ``wall_s`` is written into objects, in seconds since the epoch.  ``steady_s`` is measured
    with; only differences of it mean something.  ``past`` holds the eras before the last
    step of the wall's clock, the latest first; ``first_seen`` says when this process first
    met a stamp that none of its own clocks has shown yet.
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
        """Return when, by the steady clock, a stored stamp was written; now at the latest."""
        for era in (Era(self.since_s, self.wall_s, self.wall_s - self.steady_s), *self.past):
            if era.begin_s <= stamp_s <= era.end_s:
                return min(era.moment_s(stamp_s), self.steady_s)
        # Another machine's clock is ahead, or did not step when ours did.
        return self.steady_s if self.first_seen is None else self.first_seen(stamp_s)

    def age_s(self, stamp_s: float) -> float:
        """Return how long ago a stored stamp was written; never negative."""
        return self.steady_s - self.moment_s(stamp_s)
