"""A member's disk.

Owns: the durable part of a member's log and its state, which are two files, and what a crash
leaves of the records that were not durable: any prefix of them, the last of which may be torn
and is then cut off, as the log's repair does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from podraft.server.raft.core import Restored
from podraft.server.raft.effects import Write
from podraft.server.raft.entries import Entry, HardState, SnapshotMark
from podraft.server.replication.core.effects import CompactLog
from simulation.machine import Image
from simulation.world import SimulationFailedError


class Disk:
    """Durable state, and records on their way to it."""

    def __init__(self, mark: SnapshotMark, image: Image) -> None:
        self.start = mark
        self.image = image
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.pending: list[Write | CompactLog] = []
        # The snapshot that the state came as, according to the state's file.
        self._installed: SnapshotMark | None = None

    def write(self, records: Write | CompactLog) -> None:
        """Write records to the page cache: they become durable when synced."""
        self.pending.append(records)

    def sync(self, count: int) -> None:
        """Make the oldest ``count`` pending records durable."""
        for records in self.pending[:count]:
            self._keep(records, _count(records))
        del self.pending[:count]

    def crash(self, random: Random) -> None:
        """Lose everything that was not synced, except for a random prefix of it."""
        total = sum(_count(records) for records in self.pending)
        left = random.randint(0, total) if random.random() < 0.5 else 0
        for records in self.pending:
            if left <= 0:
                break
            self._keep(records, left)
            left -= _count(records)
        self.pending.clear()

    def _keep(self, records: Write | CompactLog, left: int) -> None:
        """Keep the first ``left`` records; the hard state of a base comes before or after it."""
        if isinstance(records, CompactLog):
            self.hard_state = records.hard_state
            if left > 1:
                self._rebase(records.mark)
            return
        if records.snapshot is not None:
            self._rebase(records.snapshot)
        if records.hard_state is not None and left > 1:
            self.hard_state = records.hard_state
        if records.entries and left > 2:
            self._replace(records.entries[: left - 2])

    def _rebase(self, mark: SnapshotMark) -> None:
        """Make the log begin behind ``mark``: entries behind it stay if they continue it."""
        offset = mark.index - self.start.index
        if 0 < offset <= len(self.entries) and self.entries[offset - 1].term == mark.term:
            del self.entries[:offset]
        elif mark.index != self.start.index:
            self.entries.clear()
        self.start = mark

    def _replace(self, entries: Sequence[Entry]) -> None:
        offset = entries[0].index - self.start.index - 1
        if not 0 <= offset <= len(self.entries):
            raise SimulationFailedError(f"a gap in the log on disk before {entries[0].index}")
        del self.entries[offset:]
        self.entries.extend(entries)

    # The state's file: its content is durable at once.

    def save(self, image: Image) -> None:
        """Keep a later state of the state machine."""
        self.image = image

    def install(self, image: Image, mark: SnapshotMark) -> None:
        """Replace the state by a snapshot; the log is told later."""
        self.image, self._installed = image, mark

    def restored(self) -> Restored:
        """Return what a starting member finds."""
        installed = self._installed
        if installed is not None and installed.index > self.start.index:
            # A snapshot had replaced the state; the log was still to be told.
            self._rebase(installed)
        last_index = self.start.index + len(self.entries)
        if not self.start.index <= self.image.index <= last_index:
            raise SimulationFailedError(
                f"a log on disk goes from {self.start.index} to {last_index}, the state is at"
                f" {self.image.index}"
            )
        return Restored(self.start, self.hard_state, tuple(self.entries), self.image.index)


def _count(records: Write | CompactLog) -> int:
    return 2 + len(records.entries) if isinstance(records, Write) else 2
