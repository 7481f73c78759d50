"""The audit log's files: lines are appended, full files rotated, old ones removed.

Owns: the files' names (``audit.log`` is the present one, ``audit-TIME.log`` are older) and sizes.

Invariants: all files together take at most ``(kept + 1)`` times the size of one; no part of a line
stays when the disk refuses the rest; only their owner may read them; used by one thread.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path


class RotatingFile:
    """A file for lines, of a bounded size."""

    def __init__(self, path: Path, bytes_max: int, kept: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._kept = kept
        self._file: FileIO | None = None
        self._size = 0

    def open(self) -> None:
        """Open the file, to append to it.

        Raises:
            OSError: It cannot be opened.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # Without a buffer: what a full disk refused must not be tried again when it is closed.
        self._file = FileIO(descriptor, "ab")
        self._size = self._file.tell()

    def append(self, lines: bytes) -> None:
        """Append whole lines, to a new file if they do not fit.

        Raises:
            OSError: They could not be written; nothing of them was.
        """
        if self._file is not None and self._size and self._size + len(lines) > self._bytes_max:
            self._rotate()
        if self._file is None:
            self.open()
        assert self._file is not None  # It was just opened.
        left = memoryview(lines)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            with suppress(OSError):  # Not every file can be cut, and the first error matters.
                self._file.truncate(self._size)
            raise
        self._size += len(lines)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rotate(self) -> None:
        self.close()
        stem, suffix = self._path.stem, self._path.suffix
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        self._path.rename(self._path.with_name(f"{stem}-{stamp}{suffix}"))
        older = sorted(self._path.parent.glob(f"{stem}-*{suffix}"))
        for path in older[: max(len(older) - self._kept, 0)]:
            path.unlink(missing_ok=True)
