"""The lock of a state directory: one agent uses it, or its cleanup, never both.

The kernel keeps the lock and drops it when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_NAME = "agent.lock"


class StateInUseError(Exception):
    """Another process uses the state directory; the message names it."""


@contextlib.contextmanager
def held(state_directory: Path) -> Iterator[None]:
    """Keep all others from using the directory for the length of a block.

    Raises:
        StateInUseError: Another process uses it now.
    """
    path = state_directory / _NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise StateInUseError(
                f"an agent is running on {state_directory} (pid {pid or 'unknown'})"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
