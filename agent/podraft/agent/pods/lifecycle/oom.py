"""Containers that the kernel killed because they ran out of memory.

Podman's own flag stays false (conmon drops its marker where Podman does not look), so
the kernel's log is read: its line comes before the kill, survives a restart of the
agent, and costs nothing while containers start.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import OrderedDict

_KILL = b"oom-kill:"
_CONTAINER = re.compile(rb"oom_memcg=[^,]*libpod-([0-9a-f]{64})")
_REMEMBERED_MAX = 4096
# More lines than the kernel keeps, so that endless logging by the kernel cannot hold the agent.
_LINES_AT_ONCE_MAX = 10_000


class OutOfMemoryLog:
    """A reader of the kernel's log; on a kernel that hides its log, nothing is ever known."""

    def __init__(self, path: str = "/dev/kmsg") -> None:
        self._killed: OrderedDict[str, None] = OrderedDict()
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def killed(self, container_id: str) -> bool:
        """Return whether a process of a container was killed for its memory limit."""
        self._drain()
        return container_id in self._killed

    def close(self) -> None:
        """Stop reading."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _drain(self) -> None:
        for _ in range(_LINES_AT_ONCE_MAX if self._descriptor >= 0 else 0):
            try:
                line = os.read(self._descriptor, 8192)
            except BlockingIOError:
                return
            except BrokenPipeError:
                continue  # Lines were overwritten before they were read.
            except OSError:
                return
            if not line:
                return
            match = _CONTAINER.search(line.partition(_KILL)[2])
            if match:
                self._killed[match.group(1).decode()] = None
                if len(self._killed) > _REMEMBERED_MAX:
                    self._killed.popitem(last=False)
