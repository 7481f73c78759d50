"""Resealing: rewriting what old data keys have sealed, until nothing needs those keys.

Owns: when it begins (a rotation is requested; a snapshot brought another member's keys; an earlier
process did not finish), and its order:

    a file requests a rotation -> new active key, durable -> the file is removed
    -> log: a new segment, the others are rewritten -> history file: rewritten in steps
    -> keys that were droppable when the rewriting began leave the ring

Invariants: a crash at any point leaves a directory that opens, and in which the next start
continues.  No step holds up writers for longer than some milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from podraft.server.encryption.key_encryption import EncryptionError
from podraft.server.encryption.key_ring import KeyRing
from podraft.server.store.history.history_file import RESEAL_START, History, ResealPosition
from podraft.server.store.history.history_writer import HistoryWriter
from podraft.server.store.history.versions import HistoryFormatError
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.wal import Wal

_LOG = logging.getLogger(__name__)

# Files in the data directory: the first requests a rotation, the second holds its progress.
WANTED_FILE: Final = "rotate-keys"
PROGRESS_FILE: Final = "rotation-progress"

_LOOK_EVERY_S: Final = 1.0
_AGAIN_AFTER_S: Final = 30.0
_ENTRIES_PER_STEP: Final = 1_000
_PAUSE_S: Final = 0.02
_TELL_EVERY_S: Final = 1.0


class ResealedLog(Protocol):
    """A log whose files one thread writes."""

    async def exclusively(self, act: Callable[[], Any]) -> Any:
        """Call ``act`` in that thread after the writes queued before; return its result."""


class ResealedState(Protocol):
    """The applied state whose history file is rewritten."""

    async def reseal(self, tell: Callable[[float], None]) -> None:
        """Seal every entry of the history file with the active key."""


class Resealing:
    """The resealing of one store; belongs to the store's loop."""

    def __init__(
        self, ring: KeyRing, directory: Path, state: ResealedState, wal: Wal, log: ResealedLog
    ) -> None:
        self._ring = ring
        self._wanted = directory / WANTED_FILE
        self._progress = directory / PROGRESS_FILE
        self._state = state
        self._wal = wal
        self._log = log
        self._told_s = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Stop rewriting; the next start continues."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            pause_s = _LOOK_EVERY_S
            try:
                await self._step()
            except (EncryptionError, WalCorruptError, OSError, ResealError) as error:
                # The code that uses these files for its own purposes decides what the error means.
                _LOG.error("the keys of the data at rest are not rotated: %s", error)
                pause_s = _AGAIN_AFTER_S
            await asyncio.sleep(pause_s)

    async def _step(self) -> None:
        # One system call: cheaper than any notification.
        if self._wanted.exists():
            await asyncio.to_thread(self._ring.rotate)
            self._wanted.unlink()
            _LOG.warning("the keys of the data at rest were rotated: what is older is rewritten")
        arrivals, old = self._ring.arrivals, self._ring.droppable_ids
        if not old:
            return
        self._tell(0.0)
        await reseal_log(self._wal, self._log)
        await self._state.reseal(self._tell)
        # Findings in a history file that a snapshot has replaced meanwhile do not count.
        if await asyncio.to_thread(self._ring.drop, old, arrivals):
            self._progress.unlink(missing_ok=True)
            _LOG.warning("all data at rest is sealed with the newest key; older ones are forgotten")

    def _tell(self, part: float) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_EVERY_S or not part:
            self._told_s = now_s
            self._progress.write_text(f"{part:.4f}\n")


class ResealError(Exception):
    """A stored value cannot be sealed anew; the message says which."""


async def reseal_log(wal: Wal, log: ResealedLog) -> None:
    """Seal everything in the log with the active key."""
    for path in await log.exclusively(wal.begin_segment):
        try:
            copy = await asyncio.to_thread(wal.resealed, path, partial(time.sleep, _PAUSE_S))
        except FileNotFoundError:
            continue  # The segment was not needed any more.
        if copy is not None:
            await log.exclusively(partial(wal.exchange, path, copy))


async def reseal_history(
    history: History, writer: HistoryWriter, tell: Callable[[float], None]
) -> None:
    """Seal every entry of the history file with the active key, in steps taken by its writer.

    Raises:
        ResealError: An entry is damaged.
    """
    total = max(history.entry_counts()[0], 1)
    done = 0
    position: ResealPosition | None = RESEAL_START
    damage: list[HistoryFormatError] = []

    def step() -> None:
        nonlocal position
        assert position is not None
        try:
            position = history.reseal(position, _ENTRIES_PER_STEP)
        except HistoryFormatError as error:
            damage.append(error)

    while position is not None:
        await writer.exclusively(step)
        if damage:
            raise ResealError(str(damage[0]))
        done += _ENTRIES_PER_STEP
        tell(min(done / total, 0.99))
        await asyncio.sleep(_PAUSE_S)
