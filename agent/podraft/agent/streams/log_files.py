"""The files of one container's log: the rotated and the current one.

Invariant: the files are found as they were at one moment, even if one is rotated meanwhile; the
content of an open file is never lost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_ROTATED = ".1"
_TRIES = 10


def open_all(path: Path) -> list[BinaryIO]:
    """Open the existing files, the oldest first."""
    files: list[BinaryIO] = []
    for _ in range(_TRIES):
        current, rotated = _open(path), _open(_rotated(path))
        files = [file for file in (rotated, current) if file is not None]
        if current is None or is_current(path, current):
            return files
        # The file was rotated after it was opened, and may now be listed twice.
        close_all(files)
    return []


def next_after(path: Path, file: BinaryIO | None) -> BinaryIO | None:
    """Open the file that continues where the given one ends; return None if there is none yet."""
    if file is None:
        return _open(path)
    if is_current(path, file):
        return None
    rotated = _open(_rotated(path))
    if rotated is None or _same(rotated, file):
        if rotated is not None:
            rotated.close()
        return _open(path)
    # The log was rotated twice while its reader was busy.
    return rotated


def is_current(path: Path, file: BinaryIO) -> bool:
    """Return whether this file is being written, or is the last that there will be."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return True
    own = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def close_all(files: list[BinaryIO]) -> None:
    """Close all the files."""
    for file in files:
        file.close()


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def _rotated(path: Path) -> Path:
    return path.with_name(path.name + _ROTATED)


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
