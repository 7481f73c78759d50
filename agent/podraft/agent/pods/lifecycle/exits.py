"""Noticing at once that a container's first process has ended, and signalling it safely.

Owns: one pidfd per running container.

Invariant: a signal reaches exactly the process that was watched, or none; a pid that was given
to another process meanwhile is noticed before the first use. The names of a process and its
cgroups are bytes, never text.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path


class ExitWatcher:
    """A watcher of processes that calls back, on the event loop, when one ends."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}

    def watch(self, container_id: str, pid: int, ended: Callable[[], None]) -> None:
        """Watch a container's first process; a missing process counts as ended."""
        self.forget(container_id)
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            asyncio.get_running_loop().call_soon(ended)
            return
        if not _belongs(pid, container_id):
            os.close(descriptor)
            asyncio.get_running_loop().call_soon(ended)
            return
        self._descriptors[container_id] = descriptor

        def notice() -> None:
            self.forget(container_id)
            ended()

        asyncio.get_running_loop().add_reader(descriptor, notice)

    def signal(self, container_id: str, number: signal.Signals) -> bool:
        """Send a signal to a watched process; return whether the process existed."""
        descriptor = self._descriptors.get(container_id)
        if descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return False
        return True

    def forget(self, container_id: str) -> None:
        """Stop watching a container."""
        descriptor = self._descriptors.pop(container_id, None)
        if descriptor is not None:
            with contextlib.suppress(ValueError):
                asyncio.get_running_loop().remove_reader(descriptor)
            os.close(descriptor)

    def close(self) -> None:
        """Stop watching all containers."""
        for container_id in tuple(self._descriptors):
            self.forget(container_id)


def is_alive(pid: int, container_id: str) -> bool:
    """Return whether a process is a container's and has not ended; a zombie has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in b"ZX" and _belongs(pid, container_id)


def _belongs(pid: int, container_id: str) -> bool:
    try:
        return container_id.encode() in Path(f"/proc/{pid}/cgroup").read_bytes()
    except OSError:
        return False
