"""A trial of how long a disk takes to keep a small write.

Owns: one file beside the store, which exists during the trial only.  Invariant: bounded in
writes, bytes and time; blocks, so it is called in a thread.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NAME: Final = ".disk-trial"
_WRITES: Final = 200
# About what the log writes for one object.
_WRITE_BYTES: Final = 2300
_TRIAL_S: Final = 2.5


@dataclass(frozen=True, slots=True)
class DiskTrial:
    """The seconds that each write took to be durable, the longest last."""

    durations_s: tuple[float, ...]

    def quantile_s(self, fraction: float) -> float:
        """Return a quantile in seconds; 0 if nothing was tried."""
        if not self.durations_s:
            return 0.0
        return self.durations_s[min(len(self.durations_s) - 1, int(fraction * len(self)))]

    def __len__(self) -> int:
        return len(self.durations_s)


def try_disk(directory: Path) -> DiskTrial:
    """Write as the log does, and return the measured times.

    Raises:
        OSError: The disk cannot be written.
    """
    path = directory / _NAME
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    durations = []
    try:
        os.posix_fallocate(descriptor, 0, _WRITES * _WRITE_BYTES)
        os.fsync(descriptor)
        ends = time.perf_counter() + _TRIAL_S
        data = os.urandom(_WRITE_BYTES)
        for number in range(_WRITES):
            began = time.perf_counter()
            if began > ends:
                break
            os.pwrite(descriptor, data, number * _WRITE_BYTES)
            os.fdatasync(descriptor)
            durations.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return DiskTrial(tuple(sorted(durations)))
