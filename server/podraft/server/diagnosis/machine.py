"""The kernel's figures of the machine and of this process.

Owns: reading them from ``/proc``.  Invariant: a figure that cannot be read is 0: "not known".
"""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import Final

from podraft.api.cluster.v1 import diagnosis_pb2
from podraft.server.store.descriptors import RESERVE

_PROC: Final = Path("/proc")


def machine_diagnosis() -> diagnosis_pb2.MachineDiagnosis:
    """Return the machine's resources, and what this process takes of them."""
    memory = _sizes(_PROC / "meminfo")
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    result = diagnosis_pb2.MachineDiagnosis(
        memory_total_bytes=memory.get("MemTotal", 0),
        memory_available_bytes=memory.get("MemAvailable", 0),
        resident_bytes=_sizes(_PROC / "self" / "status").get("VmRSS", 0),
        open_files_max=limit if limit != resource.RLIM_INFINITY else 0,
        processors=len(os.sched_getaffinity(0)),
        open_files_shortages=RESERVE.shortages,
    )
    with contextlib.suppress(OSError):
        result.open_files = sum(1 for _ in (_PROC / "self" / "fd").iterdir())
        result.load = os.getloadavg()[0]
    return result


def _sizes(path: Path) -> dict[str, int]:
    """Return the lines ``Name:  123 kB`` of a file, in bytes."""
    sizes: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if words[1:] == ["kB"]:
                sizes[name] = int(words[0]) * 1024
    return sizes
