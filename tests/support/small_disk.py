"""A file system of its own, so small that it can be filled; needs root.

Owns: the mount, and the file that takes up the room.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MIB = 1024 * 1024


class SmallDisk:
    """A mounted tmpfs; ``fill`` leaves as much room as it is told to."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._ballast = path / "ballast"
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "pt-faults", str(path)],
            check=True,
        )

    @property
    def free_bytes(self) -> int:
        status = os.statvfs(self.path)
        return status.f_bavail * status.f_frsize

    def fill(self, left_bytes: int = 0) -> None:
        """Take all room but ``left_bytes``, even if others take or free some meanwhile."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            while (room := self.free_bytes - left_bytes) > 0:
                try:
                    os.posix_fallocate(descriptor, end, room)
                except OSError:
                    continue
                end += room
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Release the room that was taken."""
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        # A process that was just killed may still map a file for a moment.
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)


@contextlib.contextmanager
def small_disk(path: Path, size_bytes: int = 64 * _MIB) -> Iterator[SmallDisk]:
    disk = SmallDisk(path, size_bytes)
    try:
        yield disk
    finally:
        disk.unmount()
