"""Virtual time.

Owns: the clock and the queue of future events. Invariant: events that are due at the same time
happen in the order in which they were planned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any


class SimulationFailedError(Exception):
    """A property does not hold; the message says which and how."""


class World:
    """The clock, the trace, and randomness by purpose."""

    def __init__(self, seed: int, trace_length: int = 4_000) -> None:
        self.seed = seed
        self.now = 0.0
        self.steps = 0
        self.trace: deque[tuple[float, int, object]] = deque(maxlen=trace_length)
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0

    def random(self, purpose: str) -> Random:
        """Return a random source of its own per purpose: an extra draw here moves nothing there."""
        return Random(f"{self.seed}/{purpose}")

    def after(self, delay_s: float, action: Callable[..., None], *arguments: Any) -> None:
        self._planned += 1
        heappush(self._queue, (self.now + delay_s, self._planned, action, arguments))

    def note(self, member: int, what: object) -> None:
        self.trace.append((self.now, member, what))

    def run_until(self, end_s: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= end_s:
            self.now, _, action, arguments = heappop(queue)
            self.steps += 1
            action(*arguments)
        self.now = end_s
