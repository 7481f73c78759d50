"""The history's LMDB file as a file: its map, its notes, its copies.

Owns: the environment and its four databases; how it is written, replaced and closed.

Invariants: nobody reads while the map grows or the file is replaced; a write is durable as a whole,
or an error names the disk that did not take it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from typing import Any, Final, TypeVar

import lmdb

from podraft.server.store.descriptors import RESERVE
from podraft.server.store.directory import sync_directory
from podraft.server.store.history.copying import copy_environment
from podraft.server.store.history.sharing import SharedUse
from podraft.server.store.history.versions import HistoryFormatError
from podraft.server.store.log.segment_files import free_gently

LAYOUT_VERSION = 3
HISTORY_FILE: Final = "history.lmdb"
_NUMBER = Struct(">Q")
# With less free space than this a failed write means a full disk.
_ROOM_BYTES = 1024 * 1024

ResultT = TypeVar("ResultT")


class HistoryDiskError(OSError):
    """The disk did not take a write."""

    def __init__(self, path: Path, error: Exception) -> None:
        status = os.statvfs(path.parent)
        # LMDB says "Input/output error" when the disk takes only a part.
        if status.f_bavail * status.f_frsize < _ROOM_BYTES:
            super().__init__(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        else:
            super().__init__(errno.EIO, str(error), str(path))


class HistoryEnvironment:
    """The open history file."""

    def __init__(self, path: Path, map_bytes: int) -> None:
        # Nobody may read the file while its map grows or it is replaced.
        self._use = SharedUse()
        self._path = path
        self._open(map_bytes)

    def _open(self, map_bytes: int) -> None:
        self._environment = open_environment(self._path, map_bytes)
        self._history = self._environment.open_db(b"history")
        self._revisions = self._environment.open_db(b"revisions")
        self._requests = self._environment.open_db(b"requests")
        self._meta = self._environment.open_db(b"meta")
        layout = self._number(b"layout")
        if not layout:
            self._write(lambda transaction: self._set(transaction, b"layout", LAYOUT_VERSION))
        elif layout != LAYOUT_VERSION:
            self.close()
            raise HistoryFormatError(f"{self._path}: layout {layout}, expected {LAYOUT_VERSION}")
        self.applied_index = self._number(b"applied_index")
        self.applied_revision = self._number(b"applied_revision")
        self.compacted = self._number(b"compacted")

    def close(self) -> None:
        """Close the file."""
        self._environment.close()

    # Snapshots.

    def copy_to(self, path: Path) -> None:
        """Write a copy of the file as one read transaction sees it, without its free pages."""
        with self._use.together():
            try:
                copy_environment(self._environment, path)
            except lmdb.Error as error:
                raise HistoryDiskError(path, error) from error

    def replace_by(self, path: Path) -> None:
        """Replace this file by the one at ``path``, durably; nobody may be writing."""
        # Held open, the old file is freed bit by bit once it has lost its name.
        old = RESERVE.open(self._path, os.O_RDWR)
        try:
            with self._reopened():
                path.replace(self._path)
                sync_directory(self._path.parent)
        finally:
            free_gently(old)

    def unmap(self) -> None:
        """Unmap the pages read, which count as this process's memory; nobody may be writing."""
        with self._reopened():
            pass

    @contextmanager
    def _reopened(self) -> Iterator[None]:
        with self._use.alone():
            map_bytes = self._environment.info()["map_size"]
            self._environment.close()
            yield
            self._open(map_bytes)

    def note(self, name: bytes) -> bytes | None:
        """Return the note ``name`` that is kept beside the history."""
        with self._environment.begin(db=self._meta) as transaction:
            found = transaction.get(name)
        return bytes(found) if found is not None else None

    def set_note(self, name: bytes, value: bytes) -> None:
        """Store ``value`` durably as the note ``name``."""
        self._write(lambda transaction: transaction.put(name, value, db=self._meta))

    def cluster_id(self, make: Callable[[], bytes]) -> bytes:
        """Return the cluster id; ``make`` makes it when the file is new."""
        with self._environment.begin(db=self._meta) as transaction:
            found = transaction.get(b"cluster_id")
        if found is not None:
            return bytes(found)
        made = make()
        self._write(lambda transaction: transaction.put(b"cluster_id", made, db=self._meta))
        return made

    # Helpers.

    def _number(self, name: bytes) -> int:
        with self._environment.begin(db=self._meta) as transaction:
            stored = transaction.get(name)
        return int(_NUMBER.unpack(stored)[0]) if stored is not None else 0

    def _set(self, transaction: Any, name: bytes, number: int) -> None:
        transaction.put(name, _NUMBER.pack(number), db=self._meta)

    def _write(self, act: Callable[[Any], ResultT]) -> ResultT:
        """Carry out ``act`` in a write transaction, growing the map until it fits."""
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    return act(transaction)
            except lmdb.MapFullError:
                with self._use.alone():
                    self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            except lmdb.Error as error:
                raise HistoryDiskError(self._path, error) from error


def open_environment(path: Path, map_bytes: int) -> Any:
    """Open the file with the largest map that the address space allows."""
    while True:
        try:
            return lmdb.open(
                str(path), subdir=False, map_size=map_bytes, max_dbs=4, max_readers=16, mode=0o600
            )
        except (lmdb.MemoryError, MemoryError):
            if map_bytes < 64 * 1024 * 1024:
                raise
            map_bytes //= 2
        except lmdb.Error as error:
            raise HistoryFormatError(f"{path}: {error}") from error
