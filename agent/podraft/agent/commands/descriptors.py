"""Reading and writing pipes and terminals in an event loop, a piece at a time.

Invariant: a descriptor is watched only while somebody waits for it, so a slow reader slows the
other end down.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable

CHUNK_BYTES = 1 << 15


async def readable(descriptors: Iterable[int]) -> None:
    """Wait until one of the descriptors has something to read or has ended."""
    watched = list(descriptors)
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    for descriptor in watched:
        loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        for descriptor in watched:
            loop.remove_reader(descriptor)


def read_now(descriptor: int) -> bytes | None:
    """Return what can be read now: ``None`` if there is nothing, empty bytes at the end."""
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""  # A terminal whose last user is gone fails with an error when it is read.


async def write_all(descriptor: int, data: bytes) -> None:
    """Write all data, as fast as the other end takes it.

    Raises:
        OSError: The other end is no longer read.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            await _writable(descriptor)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)
