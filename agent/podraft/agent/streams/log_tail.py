"""Finding the place where the last lines of a log begin, starting from its end.

Invariant: only whole blocks are read, each once, from the end until enough lines are found:
neither a long log nor a long line costs memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO, NamedTuple

from podraft.agent.streams.core.cri_log import HEAD_BYTES, Head, head_of

_BLOCK_BYTES = 1 << 16


class Start(NamedTuple):
    """A place in a log: the file and the offset in it."""

    file: int
    offset: int


async def start_of_tail(files: Sequence[BinaryIO], lines: int) -> Start:
    """Return the place where the last lines begin; an unfinished line counts, too."""
    wanted = lines
    unfinished = False
    seen = False
    for number in reversed(range(len(files))):
        async for end, head in _records_backwards(files[number]):
            if not seen:
                seen, unfinished = True, head.partial
                # The last line is the one that a partial record begins or continues.
                if unfinished:
                    wanted -= 1
                if lines == 0:
                    return Start(number, end)
            if head.partial:
                continue
            if wanted <= 0:
                return Start(number, end)
            wanted -= 1
    return Start(0, 0)


async def _records_backwards(file: BinaryIO) -> AsyncIterator[tuple[int, Head]]:
    """Yield the complete records from the last to the first: the end of each, and its head."""
    descriptor = file.fileno()
    position = os.fstat(descriptor).st_size
    end: int | None = None  # The end of the record whose beginning is being looked for.
    while position > 0:
        start = max(position - _BLOCK_BYTES, 0)
        block = os.pread(descriptor, position - start, start)
        cut = len(block)
        while (cut := block.rfind(b"\n", 0, cut)) >= 0:
            begin = start + cut + 1
            if end is not None:
                head = _head_at(descriptor, block, cut + 1, begin)
                if head is not None:
                    yield end, head
            end = begin
        position = start
        await asyncio.sleep(0)
    if end is not None:
        head = head_of(os.pread(descriptor, HEAD_BYTES, 0))
        if head is not None:
            yield end, head


def _head_at(descriptor: int, block: bytes, index: int, offset: int) -> Head | None:
    """Return the head of a record, even if the block holds only a part of the head."""
    text = block[index : index + HEAD_BYTES]
    if len(text) < HEAD_BYTES:
        text = os.pread(descriptor, HEAD_BYTES, offset)
    return head_of(text)
