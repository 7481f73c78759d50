"""The audit log's files: lines are appended, full files rotated, old ones removed.

Owns: the files' names (``audit.log`` is the present one, ``audit-TIME.log`` are older) and sizes.

Invariants: all files together take at most ``(kept + 1)`` times the size of one; only their owner
may read them; used by one thread.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import IO


class RotatingFile:
    """A file for lines, of a bounded size."""

    def __init__(self, path: Path, bytes_max: int, kept: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._kept = kept
        self._file: IO[bytes] | None = None
        self._size = 0

    def open(self) -> None:
        """Open the file, to append to it.

        Raises:
            OSError: It cannot be opened.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "ab")
        self._size = self._file.tell()

    def append(self, lines: bytes) -> None:
        """Append whole lines, to a new file if they do not fit.

        Raises:
            OSError: They could not be written.
        """
        if self._file is not None and self._size and self._size + len(lines) > self._bytes_max:
            self._rotate()
        if self._file is None:
            self.open()
        assert self._file is not None  # It was just opened.
        self._file.write(lines)
        self._file.flush()
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
