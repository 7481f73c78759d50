"""A group member's log on disk.

Owns: the thread that writes records into the ``Wal``, the group commit of waiting writes, and
the knowledge of which segments are no longer needed.

Invariants: writes become durable in the order of ``write``; all writes that wait while the disk
works become one frame, so they are durable together, with one fdatasync; ``persisted`` is called
only for durable writes.  After a disk error nothing more is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, TypeAlias

from podraft.server.raft.entries import HardState, SnapshotMark
from podraft.server.replication.log.records import (
    Folded,
    RecordFormatError,
    encode_base,
    encode_hard_state,
)
from podraft.server.store.log.frames import WalCorruptError
from podraft.server.store.log.seam import ExclusiveAct, OnFailed
from podraft.server.store.log.wal import Wal

OnPersisted: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Frame:
    data: bytes
    records: int
    sequence: int
    # Records before this position are not needed once the frame is durable; 0: all are needed.
    release: int


class MemberStorage:
    """The log of one member; ``load`` comes first, in any thread, the rest on the loop."""

    def __init__(self, wal: Wal) -> None:
        self._wal = wal
        # For each write: the position of its last record, and the last log index it is needed for.
        self._needed: deque[tuple[int, int]] = deque()
        self._position = 0
        self._waiting: list[bytes] = []
        self._sequence = 0
        self._release = 0
        self._busy = False
        self._scheduled = False
        self._stopped = False
        self._work: SimpleQueue[_Frame | ExclusiveAct | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="podraft-wal", daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._persisted: OnPersisted
        self._failed: OnFailed

    def load(self) -> Folded:
        """Read the log and repair a torn tail; the result has no base if the log is new.

        Raises:
            WalCorruptError: The log is damaged.
        """
        folded = Folded()
        for record in self._wal.replay(self._wal.first_index - 1):
            try:
                index = folded.add(record.payload)
            except RecordFormatError as error:
                raise WalCorruptError(
                    self._wal.directory, 0, f"record {record.index}: {error}"
                ) from error
            self._note(record.index, index)
        self._position = self._wal.next_index
        return folded

    @property
    def repaired_bytes(self) -> int:
        """The number of bytes of a torn frame that ``load`` cut off."""
        return self._wal.repaired_bytes

    def append_now(self, records: Sequence[bytes]) -> None:
        """Write ``records`` and make them durable, in the caller's thread, before ``start``."""
        frame = self._wal.frame(records, 0, self._position)
        self._wal.append(frame, len(records))
        self._position += len(records)

    def start(self, persisted: OnPersisted, failed: OnFailed) -> None:
        """Start the thread; both callbacks are called on the loop, ``failed`` once and last."""
        self._loop = asyncio.get_running_loop()
        self._persisted, self._failed = persisted, failed
        self._thread.start()

    def write(self, sequence: int, records: Sequence[bytes], last_index: int) -> None:
        """Queue one write; ``last_index`` is the last log index that it is needed for."""
        self._waiting += records
        self._sequence = sequence
        self._note(self._position + len(self._waiting) - 1, last_index)
        if not self._busy and not self._scheduled:
            # At the end of this turn of the loop, so that all of its writes share a frame.
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def compact(self, mark: SnapshotMark, hard_state: HardState) -> None:
        """Make the log begin behind ``mark``, and remove the segments without newer entries."""
        records = (encode_hard_state(hard_state), encode_base(mark))
        needed = self._needed
        while needed and needed[0][1] <= mark.index:
            self._release = needed.popleft()[0]
        self.write(self._sequence, records, 0)

    def _note(self, position: int, index: int) -> None:
        needed = self._needed
        if needed and index <= needed[-1][1]:
            # It is released together with the record before it.
            needed[-1] = (position, needed[-1][1])
        else:
            needed.append((position, index))

    def _flush(self) -> None:
        self._scheduled = False
        if self._busy or self._stopped or not self._waiting:
            return
        self._busy = True
        records, self._waiting = self._waiting, []
        frame = self._wal.frame(records, 0, self._position)
        self._position += len(records)
        self._work.put(_Frame(frame, len(records), self._sequence, self._release))
        self._release = 0

    def _durable(self, sequence: int) -> None:
        self._busy = False
        # The disk goes on while the loop handles what is durable now.
        self._flush()
        self._persisted(sequence)

    async def exclusively(self, act: Callable[[], Any]) -> Any:
        """Call ``act`` in the thread, the only one that writes; return its result."""
        exclusive = ExclusiveAct(act)
        self._work.put(exclusive)
        return await exclusive.done

    async def close(self) -> None:
        """Stop after the frame that is being written."""
        self._stopped = True
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)
        self._wal.close()

    def _run(self) -> None:
        try:
            while (item := self._work.get()) is not None:
                if isinstance(item, ExclusiveAct):
                    item()
                    continue
                self._wal.append(item.data, item.records)
                with contextlib.suppress(RuntimeError):  # The loop is gone: nobody waits.
                    self._loop.call_soon_threadsafe(self._durable, item.sequence)
                if item.release:
                    self._wal.release(item.release)
        except Exception as error:  # noqa: BLE001 - Reported; the member must stop, not hang.
            # After a failed fsync the page cache says nothing about the disk: never retry.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._failed, error)
