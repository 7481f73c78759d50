"""Snapshots between members: the history file of one, copied to another that is too far behind.

Owns: the files below ``snapshots/`` of a data directory, one that goes out and one that comes in.

    sender:   copy of the history file (one read transaction) -> digest -> chunks, each with its CRC
    receiver: file of what came so far -> whole, digest right -> noted, durable -> installed

Invariants: what is installed has the digest that was announced.  A transfer that broke goes on
where it ended, while the sender has the same snapshot.  One copy is kept, one received.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import SnapshotMark
from podraft.server.replication.directory import sync_directory
from podraft.server.replication.history import History
from podraft.server.replication.member_recovery import SNAPSHOT_NOTE
from podraft.server.replication.records import encode_base

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 256 * 1024
_MAP_BYTES = 64 * 1024 * 1024


class SnapshotError(Exception):
    """A snapshot cannot be sent or is not what was announced; the message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole snapshot that can be sent."""

    path: Path
    mark: SnapshotMark
    digest: bytes
    size: int


class OutgoingSnapshots:
    """Makes snapshots of this member's state.

    ``copy`` writes the history file's copy; ``mark_at`` says what the log knows of an index.
    """

    def __init__(
        self,
        directory: Path,
        copy: Callable[[Path], Awaitable[None]],
        mark_at: Callable[[int], SnapshotMark | None],
    ) -> None:
        self._path = directory / "outgoing.lmdb"
        self._copy = copy
        self._mark_at = mark_at
        self._newest: Snapshot | None = None
        self._making = asyncio.Lock()

    async def newest(self) -> Snapshot:
        """Return a snapshot which the log continues, made now if there is none.

        Raises:
            SnapshotError: The log went on too fast, again and again.
            OSError: The disk does not take it.
        """
        async with self._making:
            for _ in range(3):
                newest = self._newest
                if newest is not None and self._mark_at(newest.mark.index) is not None:
                    return newest
                self._newest = await self._make()
        raise SnapshotError("the log was compacted while the state was copied")

    async def _make(self) -> Snapshot | None:
        await asyncio.to_thread(_remove, self._path)
        await self._copy(self._path)
        index = await asyncio.to_thread(_applied_index, self._path)
        mark = self._mark_at(index)
        if mark is None:
            return None
        digest, size = await asyncio.to_thread(_digest, self._path)
        return Snapshot(self._path, mark, digest, size)


async def chunks(snapshot: Snapshot, offset: int) -> AsyncIterator[members_pb2.SendSnapshotRequest]:
    """Yield the bytes of ``snapshot`` from ``offset`` on."""
    descriptor = os.open(snapshot.path, os.O_RDONLY)
    try:
        while offset < snapshot.size:
            data = await asyncio.to_thread(os.pread, descriptor, _CHUNK_BYTES, offset)
            if not data:
                raise SnapshotError(f"{snapshot.path} is cut off")
            offset += len(data)
            yield members_pb2.SendSnapshotRequest(data=data, checksum=crc32(data))
    finally:
        os.close(descriptor)


class IncomingSnapshot:
    """What came so far of one snapshot; a second transfer of it goes on where the first ended."""

    def __init__(self, directory: Path, digest: bytes, size: int) -> None:
        self._digest = digest
        self._size = size
        self._path = directory / f"incoming-{digest.hex()}.part"
        for other in directory.glob("incoming-*.part"):
            if other != self._path:
                other.unlink()
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.offset = os.fstat(self._descriptor).st_size
        if self.offset > size:
            os.ftruncate(self._descriptor, 0)
            self.offset = 0

    async def add(self, data: bytes, checksum: int) -> None:
        """Take the next bytes.

        Raises:
            SnapshotError: They are damaged or too many.
        """
        if crc32(data) != checksum or self.offset + len(data) > self._size:
            raise SnapshotError("a part of the snapshot is damaged")
        written = 0
        while written < len(data):
            written += await asyncio.to_thread(
                os.pwrite, self._descriptor, data[written:], self.offset + written
            )
        self.offset += len(data)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.offset == self._size

    async def finish(self, mark: SnapshotMark, ready: Path) -> None:
        """Check the whole, and put it at ``ready``, durably.

        Raises:
            SnapshotError: It is not what was announced; it is removed.
        """
        await asyncio.to_thread(self._finish, mark, ready)

    def _finish(self, mark: SnapshotMark, ready: Path) -> None:
        digest, _ = _digest(self._path)
        if digest != self._digest:
            self._path.unlink()
            raise SnapshotError("the snapshot is not what was announced")
        # What is noted changes the file: under another name, lest a transfer be resumed with it.
        _remove(ready)
        noted = ready.with_suffix(".noting")
        self._path.replace(noted)
        history = History(noted, _MAP_BYTES)
        try:
            if history.applied_index != mark.index:
                raise SnapshotError(
                    f"the snapshot is of index {history.applied_index}, not of {mark.index}"
                )
            history.set_note(SNAPSHOT_NOTE, encode_base(mark))
        finally:
            history.close()
        _remove_lock(noted)
        with noted.open("rb") as file:
            os.fsync(file.fileno())
        noted.replace(ready)
        sync_directory(ready.parent)

    def close(self) -> None:
        """Keep what came; the file stays."""
        os.close(self._descriptor)


def ready_path(directory: Path, mark: SnapshotMark) -> Path:
    """Return where a received snapshot waits to be installed."""
    return directory / f"ready-{mark.index:016x}-{mark.term:x}.lmdb"


def clean(directory: Path) -> None:
    """Make the directory; remove what an earlier life of this member left, but unfinished parts."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.iterdir():
        if path.suffix != ".part":
            path.unlink()


def _digest(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), file.tell()


def _applied_index(path: Path) -> int:
    history = History(path, _MAP_BYTES)
    try:
        return history.applied_index
    finally:
        history.close()
        _remove_lock(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_lock(path)


def _remove_lock(path: Path) -> None:
    path.with_name(path.name + "-lock").unlink(missing_ok=True)
