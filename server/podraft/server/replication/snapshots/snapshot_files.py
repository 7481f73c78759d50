"""Snapshots between members: the history file of one, copied to another that is too far behind.

Owns: the files below ``snapshots/`` of a data directory, one outgoing and one incoming.

    sender:   copy of the history file (one read transaction) -> digest -> chunks, each with its CRC
    receiver: file of what came so far -> whole, digest right -> noted, durable -> installed

The file stays sealed with the sender's data keys, which come with its announcement; the receiver
adds them to its own key ring, and in the background reseals the received data with its own keys.

Invariants: an installed snapshot has the announced digest.  A broken transfer resumes
where it ended, while the sender has the same snapshot.  One copy is kept, one received.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from google_crc32c import value as crc32c

from podraft.internal.raft.v1 import members_pb2
from podraft.server.encryption.key_encryption import EncryptionError
from podraft.server.encryption.key_ring import KeyRing
from podraft.server.encryption.sealing import KEY_BYTES, KEY_ID_BYTES, DataKey
from podraft.server.raft.entries import SnapshotMark
from podraft.server.replication.faults import SnapshotError
from podraft.server.replication.log.records import SNAPSHOT_NOTE, encode_base
from podraft.server.state.digests import state_digest
from podraft.server.store.descriptors import RESERVE
from podraft.server.store.directory import StoreOpenError, sync_directory
from podraft.server.store.history.copying import STEP_BYTES
from podraft.server.store.history.history_file import History
from podraft.server.store.history.regrouping import regroup
from podraft.server.store.log.segment_files import remove_gently

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 256 * 1024
_MAP_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot that can be sent."""

    path: Path
    mark: SnapshotMark
    digest: bytes
    size: int
    keys: tuple[DataKey, ...]


class OutgoingSnapshots:
    """The snapshots of this member's state.

    ``copy`` writes a copy of the history file; ``mark_at`` returns the log's mark at an index;
    ``ring`` has the keys with which the file is sealed.
    """

    def __init__(
        self,
        directory: Path,
        copy: Callable[[Path], Awaitable[None]],
        mark_at: Callable[[int], SnapshotMark | None],
        ring: KeyRing,
    ) -> None:
        self._directory = directory
        self._ring = ring
        self._copy = copy
        self._mark_at = mark_at
        self._newest: Snapshot | None = None
        self._made = 0
        self._users: Counter[Path] = Counter()
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def newest(self) -> AsyncIterator[Snapshot]:
        """Yield a snapshot that the log continues, made now if there is none; it is kept meanwhile.

        Raises:
            SnapshotError: The log advanced too fast, again and again.
            OSError: The disk does not take the copy.
        """
        async with self._making:
            snapshot = await self._continued()
            self._users[snapshot.path] += 1
        try:
            yield snapshot
        finally:
            self._users[snapshot.path] -= 1

    async def _continued(self) -> Snapshot:
        for _ in range(3):
            newest = self._newest
            if newest is not None and self._mark_at(newest.mark.index) is not None:
                return newest
            self._newest = None
            await self._collect()
            self._newest = await self._make()
        raise SnapshotError("the log was compacted while the state was copied")

    async def forget(self) -> None:
        """Remove a copy that nobody uses, to free its space; the next request gets a new one."""
        async with self._making:
            if self._newest is not None and not self._users[self._newest.path]:
                self._newest = None
            await self._collect()

    async def _collect(self) -> None:
        kept = {path for path, users in self._users.items() if users}
        if self._newest is not None:
            kept.add(self._newest.path)
        for path in self._directory.glob("outgoing-*.lmdb"):
            if path not in kept:
                self._users.pop(path, None)
                await asyncio.to_thread(remove_gently, path)

    async def _make(self) -> Snapshot | None:
        self._made += 1
        path = self._directory / f"outgoing-{self._made}.lmdb"
        # Before the copy: a key that is dropped meanwhile may still be needed for it.
        before = self._ring.data_keys
        try:
            await self._copy(path)
            index = await asyncio.to_thread(_applied_index, path, self._ring)
        except OSError:
            # A partial copy must not take the space that the log needs.
            path.unlink(missing_ok=True)
            raise
        mark = self._mark_at(index)
        if mark is None:
            await asyncio.to_thread(remove_gently, path)
            return None
        digest, size = await asyncio.to_thread(_digest, path)
        keys = tuple({key.id: key for key in (*before, *self._ring.data_keys)}.values())
        return Snapshot(path, mark, digest, size, keys)


async def chunks(snapshot: Snapshot, offset: int) -> AsyncIterator[members_pb2.SendSnapshotRequest]:
    """Yield the bytes of ``snapshot`` from ``offset`` on."""
    descriptor = RESERVE.open(snapshot.path, os.O_RDONLY)
    try:
        while offset < snapshot.size:
            data = await asyncio.to_thread(os.pread, descriptor, _CHUNK_BYTES, offset)
            if not data:
                raise SnapshotError(f"{snapshot.path} is cut off")
            offset += len(data)
            yield members_pb2.SendSnapshotRequest(data=data, checksum=crc32c(data))
    finally:
        os.close(descriptor)


class IncomingSnapshot:
    """The received part of one snapshot; another transfer of it resumes where the first ended."""

    def __init__(
        self, directory: Path, digest: bytes, size: int, keys: Sequence[DataKey], ring: KeyRing
    ) -> None:
        self._digest = digest
        self._keys = keys
        self._ring = ring
        self._size = size
        self._unsynced = 0
        self._path = directory / f"incoming-{digest.hex()}.part"
        for other in directory.glob("incoming-*.part"):
            if other != self._path:
                other.unlink()
        self._descriptor = RESERVE.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        self.offset = os.fstat(self._descriptor).st_size
        if self.offset > size:
            os.ftruncate(self._descriptor, 0)
            self.offset = 0

    async def add(self, data: bytes, checksum: int) -> None:
        """Add the next bytes.

        Raises:
            SnapshotError: They are damaged or too many.
        """
        if crc32c(data) != checksum or self.offset + len(data) > self._size:
            raise SnapshotError("a part of the snapshot is damaged")
        try:
            await asyncio.to_thread(self._write, data)
        except OSError:
            # The log needs the space more.
            await asyncio.to_thread(self._path.unlink, missing_ok=True)
            raise
        self.offset += len(data)

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._descriptor, data[written:], self.offset + written)
        self._unsynced += len(data)
        if self._unsynced >= STEP_BYTES:
            # So that the log's next sync need not wait for all of it.
            os.fdatasync(self._descriptor)
            self._unsynced = 0

    @property
    def whole(self) -> bool:
        """Whether all bytes have come."""
        return self.offset == self._size

    async def finish(self, mark: SnapshotMark, ready: Path) -> None:
        """Check the whole file, and move it to ``ready``, durably.

        Raises:
            SnapshotError: It is not the announced one; it is removed.
        """
        await asyncio.to_thread(self._finish, mark, ready)

    def _finish(self, mark: SnapshotMark, ready: Path) -> None:
        digest, _ = _digest(self._path)
        if digest != self._digest:
            self._path.unlink()
            raise SnapshotError("the snapshot is not what was announced")
        # The keys are durable before the state that needs them can replace this member's.
        try:
            self._ring.adopt(self._keys)
        except EncryptionError as error:
            raise SnapshotError(str(error)) from None
        # The notes change the file: under another name, so that no transfer resumes with it.
        ready.unlink(missing_ok=True)
        noted = ready.with_suffix(".noting")
        self._path.replace(noted)
        history: History | None = None
        try:
            # It may come from a member whose version precedes the newest layout.
            regroup(noted, self._ring.sealer, _MAP_BYTES)
            history = History(noted, _MAP_BYTES, self._ring.sealer)
            if history.applied_index != mark.index:
                raise SnapshotError(
                    f"the snapshot is of index {history.applied_index}, not of {mark.index}"
                )
            if history.digest not in (None, state_digest(history.newest())):
                raise SnapshotError(
                    "the state in the snapshot is not what its sender has applied: the sender's "
                    "history file is damaged"
                )
            history.set_note(SNAPSHOT_NOTE, encode_base(mark))
        except StoreOpenError as error:
            noted.unlink()
            raise SnapshotError(f"the snapshot cannot be read: {error}") from None
        except (OSError, SnapshotError):
            noted.unlink()
            raise
        finally:
            if history is not None:
                history.close()
            _remove_lock(noted)
        with noted.open("rb") as file:
            os.fsync(file.fileno())
        noted.replace(ready)
        sync_directory(ready.parent)

    def close(self) -> None:
        """Close the file, which stays for another transfer."""
        os.close(self._descriptor)


def ready_path(directory: Path, mark: SnapshotMark) -> Path:
    """Return where a received snapshot waits to be installed."""
    return directory / f"ready-{mark.index:016x}-{mark.term:x}.lmdb"


def clean(directory: Path) -> None:
    """Make the directory; remove an earlier process's files except unfinished transfers."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.iterdir():
        if path.suffix != ".part":
            path.unlink()


def _digest(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), file.tell()


def announced_keys(announced: members_pb2.SnapshotAnnouncement) -> list[DataKey]:
    """Return the keys with which an announced snapshot is sealed.

    Raises:
        SnapshotError: There are none.
    """
    keys = [DataKey(key.id, key.secret) for key in announced.keys]
    if not keys:
        raise SnapshotError(
            "the snapshot is not sealed: its sender runs an older podraft-server; update it first"
        )
    if any(len(key.id) != KEY_ID_BYTES or len(key.secret) != KEY_BYTES for key in keys):
        raise SnapshotError("the announcement of a snapshot holds no keys")
    return keys


def _applied_index(path: Path, ring: KeyRing) -> int:
    history = History(path, _MAP_BYTES, ring.sealer)
    try:
        return history.applied_index
    finally:
        history.close()
        _remove_lock(path)


def _remove_lock(path: Path) -> None:
    path.with_name(path.name + "-lock").unlink(missing_ok=True)
