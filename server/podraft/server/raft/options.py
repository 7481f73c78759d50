"""How patient and how greedy a member is.

Owns: ``RaftOptions``.  Times are counted in ticks; what a tick lasts is the shell's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class RandomSource(Protocol):
    """Where randomness comes from; ``random.Random`` is one."""

    def randrange(self, stop: int, /) -> int:
        """Return a number from 0 to ``stop - 1``."""


@dataclass(frozen=True, slots=True)
class RaftOptions:
    """Every bound of the core.

    A follower campaigns after ``election_ticks`` to twice as many ticks without its leader, at
    random.  ``promotion_lag_max``: how many entries a learner may lack when it is promoted.
    """

    election_ticks: int = 10
    heartbeat_ticks: int = 2
    message_bytes_max: int = 256 * 1024
    in_flight_max: int = 32
    uncommitted_entries_max: int = 10_000
    uncommitted_bytes_max: int = 64 * 1024 * 1024
    unapplied_entries_max: int = 20_000
    waiting_reads_max: int = 10_000
    promotion_lag_max: int = 100
