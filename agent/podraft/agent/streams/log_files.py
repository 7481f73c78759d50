"""The files of one container's log: the rotated one and the current one.

Invariant: they are found as they were at one moment, whatever is rotated meanwhile; what was
in a file that was open is not lost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_ROTATED = ".1"
_TRIES = 10


def open_all(path: Path) -> list[BinaryIO]:
    """Open what there is, the oldest first."""
    files: list[BinaryIO] = []
    for _ in range(_TRIES):
        current, rotated = _open(path), _open(_rotated(path))
        files = [file for file in (rotated, current) if file is not None]
        if current is None or is_current(path, current):
            return files
        # It was rotated after it was opened, and may now be there twice.
        close_all(files)
    return []


def next_after(path: Path, file: BinaryIO | None) -> BinaryIO | None:
    """Open the file that goes on where one ends; nothing if there is none yet."""
    if file is None:
        return _open(path)
    if is_current(path, file):
        return None
    rotated = _open(_rotated(path))
    if rotated is None or _same(rotated, file):
        if rotated is not None:
            rotated.close()
        return _open(path)
    # It was rotated twice while its reader was busy.
    return rotated


def is_current(path: Path, file: BinaryIO) -> bool:
    """Say whether this is the file that is being written, or the last that there will be."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return True
    own = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def close_all(files: list[BinaryIO]) -> None:
    """Close files."""
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
