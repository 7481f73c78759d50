"""The seam between proposed and committed: the input and the output of every log.

Owns: proposals and committed batches, which both stores know; the ``Log`` protocol, which orders
the commands of an embedded store and makes them durable; ``LocalLog``, that of a single server,
where an entry is committed once its own disk has it.

Invariants: entries are committed in index order, each once; nothing is committed before it
is durable; the loop's thread never waits for the disk.  Entries that other members of a group
proposed arrive with ``proposal`` None and are decoded from their payload.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeAlias

from podraft.server.state.datastore import Outcome, Transaction
from podraft.server.store.log.wal import Wal
from podraft.server.values import value


@dataclass(slots=True, eq=False)
class Proposal:
    """A transaction that is waiting here for its outcome."""

    transaction: Transaction
    time_ms: int
    payload: bytes
    outcome: asyncio.Future[Outcome]


@value
class CommittedBatch:
    """Entries from ``first_index`` on; ``proposals[i]`` is None if another member made it."""

    first_index: int
    payloads: Sequence[bytes]
    proposals: Sequence[Proposal | None]


OnCommitted: TypeAlias = Callable[[CommittedBatch], None]
OnFailed: TypeAlias = Callable[[BaseException], None]


class Log(Protocol):
    """A log that orders commands and makes them durable; all methods are called on the loop."""

    @property
    def ready(self) -> bool:
        """Whether ``propose`` takes a batch now; after every commit it does again."""

    def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        """Start; both callbacks are called on the loop, ``failed`` at most once and last."""

    def propose(self, proposals: Sequence[Proposal]) -> None:
        """Append a batch; it is committed as a whole."""

    def release(self, through: int) -> None:
        """Forget entries up to index ``through``: their effects are durable elsewhere."""

    async def exclusively(self, act: Callable[[], Any]) -> Any:
        """Call ``act`` in the thread that writes, between two writes; return its result."""

    async def close(self) -> None:
        """Stop after the batch that is being written."""


@value
class _Write:
    frame: bytes
    batch: CommittedBatch


class ExclusiveAct:
    """A call that the loop asks of the thread that writes a log, made between two writes."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self._loop.create_future()

    def __call__(self) -> None:
        """Make the call, in the thread; the waiting caller gets the result or the error."""
        try:
            result, error = self._act(), None
        except Exception as failure:  # noqa: BLE001 - It is handed on.
            result, error = None, failure
        with contextlib.suppress(RuntimeError):  # The loop is gone: nobody waits.
            self._loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(result)


class LocalLog:
    """One member's log: a thread that owns the write-ahead log's files."""

    def __init__(self, wal: Wal, loop: asyncio.AbstractEventLoop) -> None:
        self._wal = wal
        self._loop = loop
        self._next_index = wal.next_index
        self._work: SimpleQueue[_Write | ExclusiveAct | int | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="podraft-wal", daemon=True)
        self._syncing = False
        self._committed: OnCommitted
        self._failed: OnFailed

    @property
    def ready(self) -> bool:
        """Whether no batch is being synced; meanwhile the next one collects: group commit."""
        return not self._syncing

    def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        """Start the thread."""
        self._committed, self._failed = committed, failed
        self._thread.start()

    def propose(self, proposals: Sequence[Proposal]) -> None:
        """Hand one batch to the thread."""
        if self._syncing:
            raise RuntimeError("a batch is being written already")
        self._syncing = True
        payloads = [proposal.payload for proposal in proposals]
        first_index = self._next_index
        self._next_index += len(payloads)
        # Framed here, so that the thread needs the interpreter only to start and to report.
        frame = self._wal.frame(payloads, 0, first_index)
        self._work.put(_Write(frame, CommittedBatch(first_index, payloads, proposals)))

    def release(self, through: int) -> None:
        """Remove segments that are not needed any more, behind the batches already queued."""
        self._work.put(through)

    async def exclusively(self, act: Callable[[], Any]) -> Any:
        """Call ``act`` in the thread, the only one that writes; return its result."""
        exclusive = ExclusiveAct(act)
        self._work.put(exclusive)
        return await exclusive.done

    async def close(self) -> None:
        """Stop the thread and close the files."""
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)
        self._wal.close()

    def _durable(self, batch: CommittedBatch) -> None:
        self._syncing = False
        self._committed(batch)

    def _run(self) -> None:
        try:
            while (item := self._work.get()) is not None:
                if isinstance(item, int):
                    self._wal.release(item)
                    continue
                if isinstance(item, ExclusiveAct):
                    item()
                    continue
                self._wal.append(item.frame, len(item.batch.payloads))
                self._loop.call_soon_threadsafe(self._durable, item.batch)
        except Exception as error:  # noqa: BLE001 - Reported; the store must stop, not hang.
            # After a failed fsync the page cache says nothing about the disk: never retry.
            with contextlib.suppress(RuntimeError):  # The loop is gone: nobody waits.
                self._loop.call_soon_threadsafe(self._failed, error)
