"""How many files and connections a process may have open.

Owns: raising the soft limit, which the kernel and systemd keep at 1,024 for programs that use
``select``.  Ours do not: each connection, watch and container of theirs is a descriptor.
"""

from __future__ import annotations

import contextlib
import resource


def raise_descriptor_limit() -> int:
    """Raise the soft limit as far as it goes, and return what it is now.  Children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
    return soft
