"""Warning of a slow disk before it costs the leadership.

Owns: the task that looks at the log's latencies.  Invariant: it warns when the disk becomes slow
and again every ten minutes while it stays so, not more often.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from podraft.server.diagnosis.core import disk
from podraft.server.replication.measurements import MeasuredStore

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_WARN_EVERY_S: Final = 600.0


class DiskWatch:
    """Lives on the loop."""

    def __init__(self, store: MeasuredStore, look_every_s: float = _LOOK_EVERY_S) -> None:
        self._store = store
        self._look_every_s = look_every_s
        self._warned_at_s = float("-inf")
        self.slow = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Look no further."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            self.look()

    def look(self) -> None:
        """Look at the last minute; say so if it was bad."""
        measured = self._store.measurements()
        election_s = measured.group.election_s if measured.group else disk.ELECTION_S_DEFAULT
        syncs = measured.syncs
        observed = disk.DiskObservation(
            sum(syncs.recent()), syncs.recent_quantile_s(0.99), syncs.waiting_s
        )
        was_slow, self.slow = self.slow, disk.is_slow(observed, election_s, was_slow=self.slow)
        now_s = asyncio.get_running_loop().time()
        if self.slow and now_s - self._warned_at_s >= (_WARN_EVERY_S if was_slow else 0.0):
            self._warned_at_s = now_s
            worst_ms = max(observed.p99_s, observed.waiting_s) * 1000
            _LOG.warning(
                "the disk of %s is slow: 1 %% of the syncs of the last minute took %.0f ms or more;"
                " with an election timeout of %.1f s they should stay below %.0f ms",
                measured.directory,
                worst_ms,
                election_s,
                disk.slow_after_s(election_s) * 1000,
            )
        elif was_slow and not self.slow:
            _LOG.info("the disk of %s is quick enough again", measured.directory)
