"""The periods and bounds of a member's consensus.

Owns: ``RaftOptions``.  Times are counted in ticks; the shell decides how long a tick lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class RandomSource(Protocol):
    """A source of randomness; ``random.Random`` is one."""

    def randrange(self, stop: int, /) -> int:
        """Return a number from 0 to ``stop - 1``."""


@dataclass(frozen=True, slots=True)
class RaftOptions:
    """The bounds of the core.

    A follower campaigns after a random time without its leader, ``election_ticks`` to twice as
    many ticks.  ``promotion_lag_max``: how many entries a learner may lack when it is promoted.
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
