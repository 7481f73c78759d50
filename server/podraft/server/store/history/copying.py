"""Copying the history file at a pace that leaves the disk free for the log.

Owns: the copying of bytes from LMDB through a pipe to a file, and its pace.

Invariants: the bytes written but not yet on disk are bounded, so that no other sync has to
wait for all of them; the disk is left to others at least half of the time.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Any, Final

from podraft.server.store.descriptors import RESERVE

STEP_BYTES: Final = 4 * 1024 * 1024
_PIPE_BYTES: Final = 1024 * 1024
_PAUSE_S_MIN: Final = 0.002


def copy_environment(environment: Any, path: Path) -> None:
    """Write what one read transaction sees, without free pages, to ``path``; blocks.

    Raises:
        OSError: The disk does not take the copy.
        lmdb.Error: The file cannot be read.
    """
    source, sink = os.pipe()
    fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    failures: list[Exception] = []

    def read() -> None:
        try:
            environment.copyfd(sink, compact=True)
        except Exception as error:  # noqa: BLE001 - Raised again in the caller's thread.
            failures.append(error)
        finally:
            os.close(sink)

    reader = threading.Thread(target=read, name="podraft-history-copy", daemon=True)
    reader.start()
    try:
        _write_paced(source, path)
    finally:
        # If the disk took no more, this also ends the reader, whose error is then ignored.
        os.close(source)
        reader.join()
    if failures:
        raise failures[0]


def _write_paced(source: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    descriptor = RESERVE.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        unsynced = 0
        while data := os.read(source, _PIPE_BYTES):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            unsynced += len(data)
            if unsynced >= STEP_BYTES:
                began = time.monotonic()
                os.fdatasync(descriptor)
                time.sleep(max(time.monotonic() - began, _PAUSE_S_MIN))
                unsynced = 0
    finally:
        os.close(descriptor)
