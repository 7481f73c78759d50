"""The pause before the next try.

Owns: exponential back-off with jitter.  Invariant: a pause never exceeds its maximum,
and many clients that failed together do not return together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """The pauses between tries of one failing operation."""

    initial_s: float = 0.05
    max_s: float = 5.0
    failures: int = 0

    def next_pause_s(self) -> float:
        """Count a failure and return how long to wait after it."""
        pause_s = self.initial_s * 2.0 ** min(self.failures, 32)
        self.failures += 1
        return min(pause_s, self.max_s) * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Forget the failures, after a success."""
        self.failures = 0
