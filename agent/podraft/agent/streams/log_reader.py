"""Reading a container's log files: the rotated one and the current one, and following on.

Invariant: no record is delivered twice or left out by a rotation: the reader stays on the
file that it has open until that is drained and replaced.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from podraft.agent.streams import cri_log

_CHUNK_BYTES = 1 << 16
_LINE_BYTES_MAX = 1 << 20
_TAIL_LINES_MAX = 100_000
_FOLLOW_PAUSE_S = 0.05
_ROTATED = ".1"


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What of a log is asked for."""

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
    rotated = path.with_name(path.name + _ROTATED)
    tail = _Tail(query)
    current: BinaryIO | None = None
    try:
        for file in (rotated, path):
            opened = _open(file)
            if opened is None:
                continue
            if current is not None:
                current.close()
            current = opened
            for batch in _batches(opened, tail):
                yield batch
                await asyncio.sleep(0)
        if held := tail.release():
            yield held
        if not query.follow:
            return
        async for data in _follow(path, current, tail, alive):
            yield data
    finally:
        if current is not None:
            current.close()


async def _follow(
    path: Path, current: BinaryIO | None, tail: _Tail, alive: Callable[[], bool]
) -> AsyncIterator[bytes]:
    while True:
        # Asked before reading: what is written before the end is read after it.
        running = alive()
        if current is None:
            current = _open(path)
        advanced = False
        if current is not None:
            for batch in _batches(current, tail):
                advanced = True
                yield batch
            if not advanced and _replaced(path, current):
                current.close()
                current = _open(path)
                continue
        if not advanced:
            if not running:
                return
            await asyncio.sleep(_FOLLOW_PAUSE_S)


def _batches(file: BinaryIO, tail: _Tail) -> Iterator[bytes]:
    """Yield the text of the complete records that there are, in bounded pieces."""
    while True:
        start = file.tell()
        data = file.read(_CHUNK_BYTES)
        if b"\n" not in data:
            if len(data) == _CHUNK_BYTES:
                data += file.readline(_LINE_BYTES_MAX)
            if b"\n" not in data:
                file.seek(start)
                return
        end = data.rindex(b"\n") + 1
        file.seek(start + end)
        text = tail.add(data[:end])
        if text:
            yield text


class _Tail:
    """Filters and renders records; holds back all but the last lines until `release`."""

    def __init__(self, query: LogQuery) -> None:
        self._query = query
        self._at_line_start = True
        lines = query.tail_lines
        self._held: deque[bytes] | None = None
        if lines is not None:
            self._held = deque(maxlen=min(max(lines, 0), _TAIL_LINES_MAX))
        self._line = bytearray()

    def add(self, data: bytes) -> bytes:
        """Take complete lines of a file; return what may be shown now."""
        shown = bytearray()
        for line in data.splitlines():
            record = cri_log.parse(line)
            if record is None or self._too_old(record):
                continue
            text = cri_log.render(
                record, at_line_start=self._at_line_start, timestamps=self._query.timestamps
            )
            self._at_line_start = not record.partial
            if self._held is None:
                shown += text
                continue
            self._line += text
            if not record.partial:
                self._held.append(bytes(self._line))
                self._line.clear()
        return bytes(shown)

    def release(self) -> bytes:
        """Return the lines held back; from now on all is shown at once."""
        if self._held is None:
            return b""
        text = b"".join(self._held) + bytes(self._line)
        self._held = None
        return text

    def _too_old(self, record: cri_log.Record) -> bool:
        return self._query.since_s > 0 and cri_log.time_s(record) < self._query.since_s


def _open(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _replaced(path: Path, file: BinaryIO) -> bool:
    try:
        return path.stat().st_ino != os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return False
