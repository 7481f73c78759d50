"""The watch that warns of a slow disk, and gives the leadership away before the disk costs it.

Owns: the task that looks at the log's latencies.  Invariants: it warns when the disk becomes slow
and again every ten minutes while it stays so, not more often; it gives the leadership away only to
a member that reports its own disk as well, and not twice in five minutes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Protocol

from podraft.server.diagnosis.core import disk
from podraft.server.raft.member import Role
from podraft.server.store.durations import quantile_s
from podraft.server.store.measurements import MeasuredStore, StoreMeasurements

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_WARN_EVERY_S: Final = 600.0
_NEVER: Final = float("-inf")


class Leadership(Protocol):
    """The actions of a member on the state of its own disk."""

    def tell_disk(self, *, slow: bool) -> None:
        """Tell the other members whether this one's disk is slow."""

    async def hand_over(self) -> bool:
        """Hand the leadership to a member whose disk is well; return whether one took it."""


@dataclass(slots=True)
class _Since:
    """The times at which states began or actions were last taken."""

    warned_s: float = _NEVER
    stalled_s: float | None = None
    handed_over_s: float = _NEVER


class DiskWatch:
    """The watch of the disk; lives on the loop.  ``leadership`` is None without a group."""

    def __init__(
        self,
        store: MeasuredStore,
        leadership: Leadership | None = None,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._store = store
        self._leadership = leadership
        self._look_every_s = look_every_s
        self._since = _Since()
        self.slow = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Stop watching."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            await self._look()

    async def _look(self) -> None:
        measured = self._store.measurements()
        election_s = measured.group.election_s if measured.group else disk.ELECTION_S_DEFAULT
        observed = _observed(measured)
        now_s = asyncio.get_running_loop().time()
        was_slow, self.slow = self.slow, disk.is_slow(observed, election_s, was_slow=self.slow)
        if self.slow and now_s - self._since.warned_s >= (_WARN_EVERY_S if was_slow else 0.0):
            self._since.warned_s = now_s
            _warn(measured, observed, election_s)
        elif was_slow and not self.slow:
            _LOG.info("the disk of %s is quick enough again", measured.directory)
        if self._leadership is not None:
            self._leadership.tell_disk(slow=self.slow)
            stalls = disk.stalls(observed, election_s)
            await self._perhaps_hand_over(self._leadership, measured, now_s, stalls=stalls)

    async def _perhaps_hand_over(
        self, leadership: Leadership, measured: StoreMeasurements, now_s: float, *, stalls: bool
    ) -> None:
        since = self._since
        if not stalls:
            since.stalled_s = None
            return
        if since.stalled_s is None:
            since.stalled_s = now_s
        group = measured.group
        if disk.should_hand_over(
            leads=group is not None and group.status.role is Role.LEADER,
            stalled_s=now_s - since.stalled_s,
            handed_over_s=now_s - since.handed_over_s,
        ):
            since.handed_over_s = now_s
            if await leadership.hand_over():
                _LOG.warning("this member's disk stalls: another one leads now")
            else:
                _LOG.warning("this member's disk stalls, and no other member could take the lead")


def _observed(measured: StoreMeasurements) -> disk.DiskObservation:
    syncs = measured.syncs
    return disk.DiskObservation(
        syncs.recent(), syncs.waiting_s, quantile_s(syncs.recent(windows=2), 0.5)
    )


def _warn(measured: StoreMeasurements, observed: disk.DiskObservation, election_s: float) -> None:
    _LOG.warning(
        "the disk of %s is slow: 1 %% of the syncs of the last minute took %.0f ms or more; "
        "with an election timeout of %.1f s they should stay below %.0f ms",
        measured.directory,
        max(quantile_s(observed.counts, 0.99), observed.waiting_s) * 1000,
        election_s,
        disk.slow_after_s(election_s) * 1000,
    )
