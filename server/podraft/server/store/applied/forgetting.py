"""Forgetting history: when it is time, and below which revision nothing can be read any more.

Owns: how much was written since when, the revision below which reads are refused, and the task that
checks whether something is to be forgotten.

Invariant: reads of a revision are refused before anything of it is removed, so that no reader sees
it half compacted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from functools import partial

from podraft.server.state.datastore import (
    FutureRevisionError,
    RevisionCompactedError,
    StoreFailedError,
)
from podraft.server.state.retention import (
    WrittenBytes,
    compaction_target,
    horizon_ms,
    revision_at_bytes,
)
from podraft.server.store.applied.memory import Memory
from podraft.server.store.applied.stored import Stored
from podraft.server.store.history.history_file import HistoryBatch
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)


class Forgetting:
    """The task that forgets; on the loop.  ``check_serving`` raises once the store has stopped."""

    def __init__(
        self,
        memory: Memory,
        stored: Stored,
        options: StoreOptions,
        check_serving: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._stored = stored
        self._options = options
        self._check_serving = check_serving
        self._too_much = asyncio.Event()
        self.replaced()
        self._task = asyncio.get_running_loop().create_task(self._keep_retention())

    def replaced(self) -> None:
        """Start over with what the file and memory now hold, after a snapshot replaced them."""
        history = self._stored.file
        # The current values are not history.
        kept = max(history.used_bytes() - self._memory.keyspace.value_bytes, 0)
        self.compacted = history.compacted
        self._written = WrittenBytes(history.compacted, max(self._memory.revision, 1), kept)

    def written(self, batches: Iterable[HistoryBatch]) -> None:
        """Count the bytes of applied batches."""
        for batch in batches:
            self._written.add(batch.revision, batch.bytes)
        if self._written.kept > self._options.retention.keep_bytes:
            self._too_much.set()

    def check_readable(self, revision: int) -> None:
        """Check that ``revision`` can be read.

        Raises:
            FutureRevisionError: It has not been reached.
            RevisionCompactedError: It is forgotten.
        """
        if revision > self._memory.revision:
            raise FutureRevisionError(revision, self._memory.revision)
        if revision < self.compacted:
            raise RevisionCompactedError(revision, self.compacted)

    async def compact(self, revision: int) -> None:
        """Forget what only reads below ``revision`` can see, in the background writer."""
        self._check_serving()
        if revision > self._memory.revision:
            raise FutureRevisionError(revision, self._memory.revision)
        self.compacted = max(self.compacted, revision)
        await self._stored.writer.flushed(revision)
        await self._stored.writer.compact(revision)
        await self._stored.unmap()

    def stop(self) -> None:
        """Stop the task."""
        self._task.cancel()

    async def _keep_retention(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.retention_interval_s):
                    await self._too_much.wait()
            self._too_much.clear()
            try:
                await self._forget_what_is_due()
            except StoreFailedError:
                return

    async def _forget_what_is_due(self) -> None:
        options, retention = self._options, self._options.retention
        by_size = revision_at_bytes(retention, self._written)
        oldest_ms = horizon_ms(
            retention, now_ms=options.now_ms(), interval_s=options.retention_interval_s
        )
        find = partial(self._stored.file.revision_before, oldest_ms)
        target = compaction_target(
            retention,
            current=self._memory.revision,
            compacted=self.compacted,
            revision_at_horizon=await self._stored.read(find),
            revision_at_bytes=by_size,
        )
        if target is None:
            return
        if target == by_size:
            _LOG.warning(
                "history up to revision %d is forgotten before its time: more than %d MiB "
                "were written since",
                target,
                retention.keep_bytes >> 20,
            )
        await self.compact(target)
        self._written.forget(target)
