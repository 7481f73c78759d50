"""The single-member store: the ``Datastore`` over one data directory.

Owns: the pipeline of a transaction, all of it on the event loop except disk I/O:

    transact -> queue -> one batch -> Log (framed, written, synced by its thread)
             -> committed -> applied to the keyspace -> futures, watchers, history

While one batch syncs, the next one collects: group commit.

Invariant: outcomes and events appear in log order, and only once the log holds them durably.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

from podraft.server.state.commands import check_transaction, encode_command
from podraft.server.state.datastore import (
    Committed,
    EventBatch,
    Outcome,
    Page,
    Record,
    Repeated,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
    TransactionTooLargeError,
)
from podraft.server.store.applied.applied_state import AppliedState
from podraft.server.store.applied.recovery import Recovered, recover
from podraft.server.store.history.history_past import HistoryPast
from podraft.server.store.log.gathering import Gathering
from podraft.server.store.log.seam import CommittedBatch, LocalLog, Log, Proposal
from podraft.server.store.measurements import StoreMeasurements, measure_store
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing.resealing import Resealing


class EmbeddedDatastore:
    """A ``Datastore`` of one member.  Made by ``open``; belongs to the loop that opened it."""

    def __init__(self, recovered: Recovered, log: Log, options: StoreOptions) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self.cluster_id = recovered.cluster_id
        self._wal = recovered.wal
        self._queue: deque[Proposal] = deque()
        self._queue_bytes = 0
        self._gathering = Gathering(options, lambda: len(self._queue), self._drive)
        self._in_flight: tuple[Proposal, ...] = ()
        # How many proposals the next batch may hold.
        self._expected = 0
        self._failure: asyncio.Future[StoreFailedError] = self._loop.create_future()
        self._drained: asyncio.Future[None] | None = None
        self._state = AppliedState(
            recovered, options, flushed=self._history_flushed, failed=self._fail
        )
        self._log = log
        self._resealing = Resealing(
            recovered.ring, recovered.wal.directory.parent, self._state, recovered.wal, log
        )
        log.start(self._committed, self._fail)

    @classmethod
    async def open(
        cls, directory: Path, *, options: StoreOptions | None = None
    ) -> EmbeddedDatastore:
        """Recover the state in ``directory`` (made if absent) and start serving it.

        Raises:
            StoreOpenError: It is in use (``StoreInUseError``), damaged (``WalCorruptError``,
                ``HistoryFormatError``) or cannot be read or written.
        """
        options = options or StoreOptions()
        recovered = await asyncio.to_thread(recover, directory, options)
        log = LocalLog(recovered.wal, asyncio.get_running_loop())
        return cls(recovered, log, options)

    @property
    def revision(self) -> int:
        """The last applied revision."""
        return self._state.revision

    def measurements(self) -> StoreMeasurements:
        """Return the store's current counts and measurements."""
        return measure_store(self._wal, len(self._queue) + len(self._in_flight))

    def unready(self) -> str:
        """Return why this server should get no calls now; empty if it should get them."""
        if self._state.error is not None:
            return str(self._state.error)
        return "the server is stopping" if self._state.closing else ""

    @property
    def past(self) -> HistoryPast:
        """The store's past: former states, and who made them."""
        return self._state.past

    async def failed(self) -> StoreFailedError:
        """Return, once the store has stopped, the error that stopped it: the process must exit.

        The wait is cancelled when the store closes.
        """
        return await asyncio.shield(self._failure)

    # Reading.

    async def get(self, key: bytes) -> Record | None:
        """Return the newest record of ``key``."""
        self._state.check_serving()
        return self._state.get(key)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``: from memory, from disk if ``revision`` is old."""
        self._state.check_serving()
        return await self._state.range(
            prefix, start_after=start_after, limit=limit, revision=revision
        )

    async def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect; None if that is not known."""
        self._state.check_serving()
        return self._state.requested(request)

    def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield the changes after ``start_revision``, then live ones."""
        return self._state.watch(prefix, start_revision)

    async def compact(self, revision: int) -> None:
        """Forget what only reads below ``revision`` can see, in the background writer."""
        await self._state.compact(revision)

    # Writing.

    async def transact(self, transaction: Transaction) -> Outcome:
        """Propose ``transaction`` and return its outcome when it is durable."""
        self._state.check_serving()
        check_transaction(transaction)
        if not transaction.writes:
            # On a single member the newest state is the committed one: nothing needs ordering.
            return self._state.unmet(transaction.guards) or Committed(self.revision)
        options = self._options
        time_ms = options.now_ms()
        payload = encode_command(transaction, time_ms)
        size = len(payload)
        if size > options.transaction_bytes:
            raise TransactionTooLargeError(
                f"the transaction has {size} bytes, at most {options.transaction_bytes} are allowed"
            )
        if (
            len(self._queue) >= options.queue_transactions
            or self._queue_bytes + size > options.queue_bytes
        ):
            raise StoreOverloadedError(f"{len(self._queue)} transactions wait already")
        proposal = Proposal(transaction, time_ms, payload, self._loop.create_future())
        self._queue.append(proposal)
        self._queue_bytes += size
        self._schedule_drive()
        return await proposal.outcome

    def _schedule_drive(self) -> None:
        if self._log.ready:
            self._gathering.begin(self._expected)

    def _drive(self) -> None:
        """Propose the queued transactions as one batch, if the log and the history can take it."""
        if not self._queue or not self._log.ready or self._state.full or self._state.error:
            return
        batch: list[Proposal] = []
        size = 0
        while self._queue and len(batch) < self._options.batch_transactions:
            size += len(self._queue[0].payload)
            if batch and size > self._options.batch_bytes:
                break
            proposal = self._queue.popleft()
            self._queue_bytes -= len(proposal.payload)
            batch.append(proposal)
        self._in_flight = tuple(batch)
        self._log.propose(self._in_flight)

    def _committed(self, batch: CommittedBatch) -> None:
        """Apply entries that the log has made durable; a member that cannot must stop."""
        if self._state.error is not None:
            return
        try:
            self._apply_batch(batch)
        except Exception as error:
            self._fail(error)
            raise

    def _apply_batch(self, batch: CommittedBatch) -> None:
        self._expected = len(self._in_flight) + len(self._queue)
        self._in_flight = ()
        if self._queue:
            self._schedule_drive()
        self._state.apply(batch)
        self._check_drained()

    def _history_flushed(self) -> None:
        self._log.release(self._state.stored_index)
        if self._queue:
            self._schedule_drive()

    # The end.

    def _fail(self, cause: BaseException) -> None:
        """Stop the store: what the disk holds is unknown until a new process has recovered it."""
        if self._state.error is not None:
            return
        error = StoreFailedError(f"the store stopped: {cause}")
        self._failure.set_result(error)
        for proposal in (*self._in_flight, *self._queue):
            if not proposal.outcome.done():
                proposal.outcome.set_exception(error)
        self._in_flight = ()
        self._queue.clear()
        self._queue_bytes = 0
        self._state.fail(error)
        self._check_drained()

    def _check_drained(self) -> None:
        drained = self._drained
        if drained is None or drained.done() or self._queue or self._in_flight:
            return
        drained.set_result(None)

    async def close(self) -> None:
        """Finish what was proposed, store the history and stop; closing twice is fine."""
        if self._state.closing:
            return
        self._state.begin_close()
        self._drained = self._loop.create_future()
        self._check_drained()
        await self._drained
        self._state.end_watches()
        self._resealing.stop()
        await self._log.close()
        await self._state.close()
        if not self._failure.done():
            self._failure.cancel()
