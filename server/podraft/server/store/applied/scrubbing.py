"""Checking that the state in memory is still what was applied.

Owns: the task that recomputes the state's digest, some records in each turn, and compares it
with the digest that every write updates.

Invariant: a state that is found to have changed by itself (a memory error, a defect) is not served
any longer: the store stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from podraft.server.state.datastore import Event
from podraft.server.state.digests import Scrub
from podraft.server.state.keyspace import Keyspace
from podraft.server.store.log.seam import OnFailed
from podraft.server.store.options import StoreOptions

# Other tasks get their turn between two portions.
_PAUSE_S = 0.01


class StateDamagedError(Exception):
    """The state in memory is not what was applied."""


class Scrubbing:
    """The task that checks the state; it runs on the loop."""

    def __init__(
        self, keyspace: Callable[[], Keyspace], options: StoreOptions, failed: OnFailed
    ) -> None:
        self._keyspace = keyspace
        self._options = options
        self._failed = failed
        self._scrub: Scrub | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def written(self, events: Iterable[Event]) -> None:
        """Account for changes of the state."""
        if self._scrub is not None:
            for event in events:
                self._scrub.written(event)

    def stop(self) -> None:
        """Stop the task."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._options.scrub_interval_s)
            try:
                await self.look()
            except StateDamagedError as error:
                self._failed(error)
                return

    async def look(self) -> None:
        """Check every record once.

        Raises:
            StateDamagedError: The state is not what was applied.
        """
        keyspace = self._keyspace()
        self._scrub = scrub = Scrub()
        try:
            more = True
            while more:
                records, more = keyspace.range(b"", scrub.position, self._options.scrub_records)
                scrub.look(records)
                if not more:
                    break
                await asyncio.sleep(_PAUSE_S)
                if self._keyspace() is not keyspace:
                    # A snapshot has replaced the state; the next check is early enough.
                    return
        finally:
            self._scrub = None
        if scrub.digest != keyspace.digest:
            raise StateDamagedError(
                f"the state in memory at revision {keyspace.revision} has the digest "
                f"{scrub.digest:016x}; what was applied has {keyspace.digest:016x}: "
                "memory has changed by itself (check it), or this is a defect"
            )
