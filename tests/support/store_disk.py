"""A disk that loses everything that was not synced.

Owns: copies of one directory's files as they were at their last ``fsync`` or ``fdatasync``, and
of its names as they were when the directory itself was last synced. ``lose_power`` makes a
directory of just that.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class DurableCopy:
    """A copy that follows the syncs of one directory; install it before the directory is used."""

    def __init__(self, directory: Path, monkeypatch: Any) -> None:
        self._directory = directory
        self._contents: dict[int, bytes] = {}
        self._names: dict[str, int] = {}
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._following(getattr(os, name)))

    def _following(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(descriptor: int) -> None:
            sync(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            if path == self._directory:
                self._names = {entry.name: entry.stat().st_ino for entry in path.iterdir()}
            elif path.parent == self._directory:
                status = os.fstat(descriptor)
                self._contents[status.st_ino] = os.pread(descriptor, status.st_size, 0)

        return synced

    def lose_power(self, target: Path) -> None:
        """Make ``target`` the directory that a disk would hold after a power loss now."""
        target.mkdir()
        for name, inode in self._names.items():
            (target / name).write_bytes(self._contents.get(inode, b""))
