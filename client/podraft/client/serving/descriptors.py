"""The number of files and connections that a process may have open.

Owns: raising the soft limit, which the kernel and systemd keep at 1,024 for programs that use
``select``.  Our programs do not; each of their connections, watches and containers is a descriptor.
"""

from __future__ import annotations

import contextlib
import resource


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the maximum and return it.  Children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft
