"""Counts of calls, by method and outcome.

Owns: plain numbers, changed on the event loop only.  Invariant: every unary call that was
answered or refused is counted once.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """The counts of one method's calls."""

    by_code: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, code: str, seconds: float) -> None:
        """Count one call."""
        self.by_code[code] = self.by_code.get(code, 0) + 1
        self.seconds += seconds


CALLS: dict[str, Counts] = {}


def of_method(method: str) -> Counts:
    """Return the counts of one method."""
    return CALLS.setdefault(method, Counts())
