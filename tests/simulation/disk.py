"""A member's disk.

Owns: what is durable, and what a crash leaves of the writes that were not: any prefix of their
records, the last of which may be torn and is then cut off, as the log's repair does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from podraft.server.raft.core import Restored
from podraft.server.raft.effects import Write
from podraft.server.raft.entries import Entry, HardState, SnapshotMark
from simulation.machine import Image
from simulation.world import SimulationFailedError


class Disk:
    """Durable state, and writes on their way to it."""

    def __init__(self, mark: SnapshotMark, image: Image) -> None:
        self.start = mark
        self.image = image
        self.hard_state = HardState()
        self.entries: list[Entry] = []
        self.pending: list[tuple[Write, Image | None]] = []

    def write(self, write: Write, image: Image | None) -> None:
        """Into the page cache: durable when synced."""
        self.pending.append((write, image))

    def sync(self, count: int) -> None:
        """Make the oldest ``count`` writes durable."""
        for write, image in self.pending[:count]:
            self._keep(write, image, 3, write.entries)
        del self.pending[:count]

    def crash(self, random: Random) -> None:
        """Lose what was not synced, except for a random prefix of it."""
        records = sum(2 + len(write.entries) for write, _ in self.pending)
        left = random.randint(0, records) if random.random() < 0.5 else 0
        for write, image in self.pending:
            if left <= 0:
                break
            self._keep(write, image, left, write.entries[: max(left - 2, 0)])
            left -= 2 + len(write.entries)
        self.pending.clear()

    def _keep(
        self, write: Write, image: Image | None, records: int, entries: Sequence[Entry]
    ) -> None:
        if write.snapshot is not None and image is not None:
            self.start, self.image = write.snapshot, image
            self.entries.clear()
        if write.hard_state is not None and records > 1:
            self.hard_state = write.hard_state
        if entries:
            offset = entries[0].index - self.start.index - 1
            if not 0 <= offset <= len(self.entries):
                raise SimulationFailedError(f"a gap in the log on disk before {entries[0].index}")
            del self.entries[offset:]
            self.entries.extend(entries)

    def save(self, image: Image, start: SnapshotMark) -> None:
        """Keep a snapshot of the state machine; drop the log up to ``start``."""
        self.image = image
        del self.entries[: start.index - self.start.index]
        self.start = start

    def restored(self) -> Restored:
        return Restored(self.start, self.hard_state, tuple(self.entries), self.image.index)
