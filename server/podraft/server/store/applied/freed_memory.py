"""Returning freed memory to the system.

Owns: the call of the C library that does so.  A keyspace that was replaced leaves as much memory
as it took, in pieces that glibc keeps for itself.
"""

from __future__ import annotations

import ctypes


def release_freed_memory() -> None:
    """Return free memory to the system; do nothing where the C library cannot."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
