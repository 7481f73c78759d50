"""The write-ahead log's files, made before they are needed and removed bit by bit.

Owns: a thread that allocates the next segment while the present one fills, and that frees the
space of old ones.

Invariants: neither makes an append wait; names of files that a crash leaves here end with ``.tmp``,
and the next start removes them.  If no file can be made ahead, the caller that needs one tries
itself, and gets the error.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from podraft.server.store.descriptors import RESERVE

_LOG = logging.getLogger(__name__)

# Ext4 holds up everyone's fsync while it frees blocks: freeing 64 MiB at once costs 10 to 15 ms,
# a step of this size 4 ms.
_STEP_BYTES: Final = 4 * 1024 * 1024
_STEP_PAUSE_S: Final = 0.01


def allocate(path: Path, size: int) -> int:
    """Make a durable file of zeros and return its descriptor."""
    path.unlink(missing_ok=True)
    descriptor = RESERVE.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        path.unlink()
        raise
    return descriptor


def remove_gently(path: Path, hurry: threading.Event | None = None) -> None:
    """Remove a large file in steps, so that others' syncs wait only for one of them."""
    hurry = hurry or threading.Event()
    size = path.stat().st_size
    while size > _STEP_BYTES and not hurry.wait(_STEP_PAUSE_S):
        size -= _STEP_BYTES
        os.truncate(path, size)
    path.unlink()


def free_gently(descriptor: int) -> None:
    """Close a large file in the background, freeing its space in steps if it has no name left."""

    def free() -> None:
        try:
            status = os.fstat(descriptor)
            size = status.st_size if not status.st_nlink else 0
            while size > _STEP_BYTES:
                time.sleep(_STEP_PAUSE_S)
                size -= _STEP_BYTES
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    threading.Thread(target=free, name="podraft-free", daemon=True).start()


class SegmentFiles:
    """The segment files of one ``Wal``; all methods except ``close`` return at once."""

    def __init__(self, directory: Path, size: int) -> None:
        self._spare_path = directory / "spare.tmp"
        self._size = size
        self._lock = threading.Lock()
        self._spare: int | None = None
        self._wanted = False
        self._closing = threading.Event()
        # A file to remove, a request for a spare, or the end.
        self._work: SimpleQueue[Path | bool] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        """Make a spare file soon, unless there is one."""
        if not self._wanted:
            self._wanted = True
            self._put(True)

    def take(self, path: Path) -> int | None:
        """Put the spare file at ``path`` and return its descriptor; None if there is none yet.

        Its name is not durable.
        """
        with self._lock:
            descriptor, self._spare = self._spare, None
            self._wanted = False
            if descriptor is None:
                return None
            try:
                self._spare_path.rename(path)
            except OSError:
                os.close(descriptor)
                raise
            return descriptor

    def remove(self, path: Path) -> None:
        """Remove ``path`` from the log; its space is freed bit by bit."""
        removed = path.with_suffix(".old.tmp")
        path.rename(removed)
        self._put(removed)

    def close(self) -> None:
        """Finish without pauses what was begun, and remove a spare file."""
        self._closing.set()
        if self._thread is not None:
            self._work.put(False)
            self._thread.join()
            self._thread = None
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
            self._spare_path.unlink()

    def _put(self, work: Path | bool) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="podraft-segments", daemon=True)
            self._thread.start()
        self._work.put(work)

    def _run(self) -> None:
        while (work := self._work.get()) is not False:
            try:
                if isinstance(work, Path):
                    remove_gently(work, self._closing)
                else:
                    self._make()
            except OSError as error:
                _LOG.warning("the log's files: %s", error)

    def _make(self) -> None:
        status = os.statvfs(self._spare_path.parent)
        if self._spare is not None or status.f_bavail * status.f_frsize < 2 * self._size:
            # Where space is short the history needs it more than the log does.
            return
        descriptor = allocate(self._spare_path, self._size)
        with self._lock:
            self._spare = descriptor
