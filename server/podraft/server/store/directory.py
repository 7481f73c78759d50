"""The exclusive use of a data directory by one process.

Owns: the lock file.  Invariant: the lock is the kernel's (flock), so it ends with the process.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from podraft.client.serving.private_files import UnsafeDirectoryError, make_private_directory
from podraft.server.store.descriptors import RESERVE


class StoreOpenError(Exception):
    """The data directory cannot be opened; the message says why.  Nothing was changed."""


class StoreInUseError(StoreOpenError):
    """Another process has this data directory open."""


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable."""
    descriptor = RESERVE.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DirectoryLock:
    """Exclusive use of a data directory, which is made if it is absent."""

    def __init__(self, directory: Path) -> None:
        try:
            make_private_directory(directory)
        except UnsafeDirectoryError as error:
            raise StoreOpenError(str(error)) from None
        path = directory / "lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        RESERVE.fill()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StoreInUseError(
                f"data directory {directory} is in use by process {holder or 'unknown'}"
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Release the directory for other processes."""
        os.close(self._descriptor)
