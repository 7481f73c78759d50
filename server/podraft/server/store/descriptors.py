"""File descriptors reserved for the store's own files, so that connections cannot take them all.

Owns: a few descriptors that are held open on nothing and given up, one by one, when the process
(or the machine) has none left.

Invariant: a lack of descriptors is a shortage, never a failed disk: a caller that needs one gets
a held one, or waits a bounded time for another to be closed.  Callers close what they open here.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_LOG = logging.getLogger(__name__)

# The next segment, the directory that it is in, a snapshot and its copy; and the same again.
_HELD: Final = 8
_WAIT_S_MAX: Final = 30.0
_PAUSE_S: Final = 0.05


def is_shortage(error: OSError) -> bool:
    """Return whether ``error`` means only that there is no free descriptor at the moment."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


class DescriptorReserve:
    """A reserve that opens files even when no descriptors are left; any thread may use it."""

    def __init__(
        self,
        held: int = _HELD,
        wait_s: float = _WAIT_S_MAX,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._wanted = held
        self._wait_s = wait_s
        self._pause = pause
        self._lock = threading.Lock()
        self._held: list[int] = []
        # How often none was left but the held ones, or not even those.
        self.shortages = 0

    def fill(self) -> None:
        """Hold as many descriptors as are wanted, or as many as are free."""
        with self._lock:
            while len(self._held) < self._wanted:
                try:
                    self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
                except OSError:
                    return

    def open(self, path: Path | str, flags: int, mode: int = 0o600) -> int:
        """Open a file as ``os.open`` does, close-on-exec.

        Raises:
            OSError: It cannot be opened, or no descriptor was free for half a minute.
        """
        began_s = time.monotonic()
        short = False
        while True:
            try:
                descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
            except OSError as error:
                if not is_shortage(error):
                    raise
                if not short:
                    short, self.shortages = True, self.shortages + 1
                    _LOG.warning("%s: %s: using a descriptor that was kept back", path, error)
                if not self._give_up_one():
                    if time.monotonic() - began_s > self._wait_s:
                        raise
                    self._pause(_PAUSE_S)
            else:
                if len(self._held) < self._wanted:
                    self.fill()
                return descriptor

    def _give_up_one(self) -> bool:
        with self._lock:
            if not self._held:
                return False
            os.close(self._held.pop())
            return True


# One reserve per process, as the limit is the process's.
RESERVE: Final = DescriptorReserve()
