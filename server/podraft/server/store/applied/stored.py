"""The part of the applied state that is on disk, and the threads that touch it.

Owns: the history file's writer and the thread that reads it.

Invariant: the loop's thread never waits for the file; one thread writes it, one reads it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from podraft.server.store.history.history_file import History
from podraft.server.store.history.history_writer import HistoryWriter
from podraft.server.store.log.seam import OnFailed
from podraft.server.store.options import StoreOptions

AnswerT = TypeVar("AnswerT")


class Stored:
    """The history file of one data directory; belongs to the loop that made it."""

    def __init__(
        self,
        file: History,
        options: StoreOptions,
        *,
        flushed: Callable[[], None],
        failed: OnFailed,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.file = file
        self.writer = HistoryWriter(
            file,
            self._loop,
            interval_s=options.history_flush_interval_s,
            pending_bytes=options.history_pending_bytes,
            flushed=flushed,
            failed=failed,
        )
        self.readers = ThreadPoolExecutor(1, thread_name_prefix="podraft-history-read")

    async def read(self, look: Callable[[], AnswerT]) -> AnswerT:
        """Return what ``look`` returns, called in the reader's thread."""
        return await self._loop.run_in_executor(self.readers, look)

    async def unmap(self) -> None:
        """Unmap the pages that were read."""
        await self.writer.exclusively(self.file.unmap)

    async def close(self) -> None:
        """Store the queued batches, then close the file."""
        await self.writer.close()
        await asyncio.to_thread(self.readers.shutdown)
        self.file.close()
