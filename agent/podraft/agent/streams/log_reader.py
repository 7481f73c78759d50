"""Reading a container's log, all of it or its last lines, and following it.

Invariants: no record is delivered twice or left out by a rotation: the reader stays on the
file that it has open until that is drained and replaced.  At most one chunk is in memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from podraft.agent.streams import log_files
from podraft.agent.streams.core.cri_log import Rendering
from podraft.agent.streams.log_tail import start_of_tail

_CHUNK_BYTES = 1 << 16
_FOLLOW_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class LogQuery:
    """The parts of a log that are asked for."""

    follow: bool = False
    tail_lines: int | None = None
    since_s: float = 0.0
    timestamps: bool = False
    limit_bytes: int | None = None


async def read(path: Path, query: LogQuery, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield the log's text; following ends when the container has ended and all is read."""
    remaining = query.limit_bytes
    async for data in _chunks(path, query, alive):
        if remaining is not None:
            data = data[:remaining]
            remaining -= len(data)
        if data:
            yield data
        if remaining is not None and remaining <= 0:
            return


async def _chunks(path: Path, query: LogQuery, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    rendering = Rendering(timestamps=query.timestamps, since_s=query.since_s)
    files = log_files.open_all(path)
    try:
        first = 0
        if query.tail_lines is not None:
            first, offset = await start_of_tail(files, query.tail_lines)
            for file in files[first : first + 1]:
                file.seek(offset)
        # Without following, the reader gets what is there now, however fast the container writes.
        ends = [None if query.follow else os.fstat(file.fileno()).st_size for file in files]
        for file, end in zip(files[first:], ends[first:], strict=True):
            async for data in _rest_of(file, rendering, end):
                yield data
            if file is not files[-1]:
                rendering.next_file()
        if query.follow:
            async for data in _follow(path, files, rendering, alive):
                yield data
    finally:
        log_files.close_all(files)


async def _follow(
    path: Path, files: list[BinaryIO], rendering: Rendering, alive: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield what follows the end of the last file; the caller closes the files in the list."""
    while True:
        current = files[-1] if files else None
        # Asked before reading: everything written before the end is then read after it.
        running = alive()
        replaced = current is None or not log_files.is_current(path, current)
        if current is not None:
            async for data in _rest_of(current, rendering):
                yield data
        # Only now: conmon writes to a renamed file until it has opened another one.
        following = log_files.next_after(path, current) if replaced else None
        if following is not None:
            log_files.close_all(files)
            files[:] = [following]
            rendering.next_file()
        elif not running:
            return
        else:
            await asyncio.sleep(_FOLLOW_PAUSE_S)


async def _rest_of(
    file: BinaryIO, rendering: Rendering, end: int | None = None
) -> AsyncIterator[bytes]:
    """Yield the visible text in the rest of a file, up to its present end or an offset."""
    left = _CHUNK_BYTES if end is None else max(end - file.tell(), 0)
    while data := file.read(min(left, _CHUNK_BYTES)):
        if end is not None:
            left -= len(data)
        if shown := rendering.feed(data):
            yield shown
        await asyncio.sleep(0)
