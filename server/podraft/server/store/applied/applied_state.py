"""A member's applied state, which is read, watched and stored.

Owns: the order in which an entry reaches memory, the history file and the watchers; reads; what a
snapshot replaces.  Shared by the store of a single member and by those of a group.

Invariants: entries are applied in index order, each once; between two turns of the loop,
keyspace, recent events and live watchers are at the same revision, so code that reads them
without awaiting in between sees no gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path

from podraft.server.state.commands import decode_command
from podraft.server.state.datastore import (
    EventBatch,
    Guard,
    GuardFailed,
    Page,
    Record,
    Repeated,
    SlowWatcherError,
    StoreFailedError,
)
from podraft.server.state.digests import StateMark
from podraft.server.state.keyspace import Keyspace
from podraft.server.state.recent import RecentEvents
from podraft.server.store.applied.applying import apply_transaction
from podraft.server.store.applied.forgetting import Forgetting
from podraft.server.store.applied.freed_memory import release_freed_memory
from podraft.server.store.applied.memory import Memory
from podraft.server.store.applied.recovery import CONDEMNED_NOTE, Recovered, load_keyspace
from podraft.server.store.applied.scrubbing import Scrubbing
from podraft.server.store.applied.stored import Stored
from podraft.server.store.applied.watches import Watches
from podraft.server.store.history.history_file import HistoryBatch
from podraft.server.store.history.history_past import HistoryPast
from podraft.server.store.log.seam import CommittedBatch, OnFailed, Proposal
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing.resealing import reseal_history


class AppliedState:
    """The applied state of one data directory; belongs to the loop that made it.

    ``flushed`` is called when the history file has stored more, ``failed`` when it has failed,
    ``compared`` when an entry was applied at which members compare their states.
    """

    def __init__(
        self,
        recovered: Recovered,
        options: StoreOptions,
        *,
        flushed: Callable[[], None],
        failed: OnFailed,
        compared: Callable[[StateMark], None] = lambda _: None,
    ) -> None:
        self._options = options
        self._directory_lock = recovered.lock
        self._ring = recovered.ring
        self._memory = memory = Memory(recovered.keyspace, recovered.recent)
        self._error: StoreFailedError | None = None
        self._closing = False
        self._stored = stored = Stored(recovered.history, options, flushed=flushed, failed=failed)
        self._forgetting = Forgetting(memory, stored, options, self.check_serving)
        self._watches = Watches(memory, stored, self._forgetting, options, self.check_serving)
        self.past = HistoryPast(
            stored.file,
            stored.writer,
            stored.readers,
            options.retention,
            revision=lambda: memory.revision,
            compacted=lambda: self._forgetting.compacted,
        )
        self._compared = compared
        self._scrubbing = Scrubbing(lambda: memory.keyspace, options, failed)

    @property
    def revision(self) -> int:
        """The last applied revision."""
        return self._memory.revision

    @property
    def stored_index(self) -> int:
        """The log index up to which everything is durable in the history file."""
        return self._stored.file.applied_index

    @property
    def full(self) -> bool:
        """Whether too much waits for the history file for anything more to be applied."""
        return self._stored.writer.full

    @property
    def error(self) -> StoreFailedError | None:
        """Why the store stopped; None while it has not."""
        return self._error

    @property
    def closing(self) -> bool:
        """Whether nothing new is accepted any more."""
        return self._closing

    def check_serving(self) -> None:
        """Check that the store has not stopped and is not about to.

        Raises:
            StoreFailedError: It has stopped, or is about to.
        """
        if self._error is not None:
            raise self._error
        if self._closing:
            raise StoreFailedError("the store is closed")

    # Reading.

    def get(self, key: bytes) -> Record | None:
        """Return the newest applied record of ``key``."""
        return self._memory.keyspace.get(key)

    def unmet(self, guards: Iterable[Guard]) -> GuardFailed | None:
        """Return the first guard that does not hold now, None if all do."""
        return self._memory.keyspace.unmet(guards)

    def requested(self, request: bytes) -> Repeated | None:
        """Return how a transaction of ``request`` took effect; None if that is not known."""
        applied = self._memory.keyspace.requests.find(request)
        return None if applied is None else Repeated(applied.revision, applied.digest)

    async def range(
        self, prefix: bytes, *, start_after: bytes = b"", limit: int = 0, revision: int = 0
    ) -> Page:
        """Return the records below ``prefix``: from memory, from disk if ``revision`` is old."""
        memory = self._memory
        current = memory.revision
        if not revision or revision == current:
            records, more = memory.keyspace.range(prefix, start_after, limit)
            left = memory.keyspace.count(prefix, records[-1].key) if more else 0
            return Page(records, current, more, left)
        self._forgetting.check_readable(revision)
        if memory.recent.covers(revision):
            old = memory.recent.undo(prefix, revision)
            records, more = memory.keyspace.past_range(old, prefix, start_after, limit)
            return Page(records, revision, more)
        await self._stored.writer.flushed(revision)
        read = partial(self._stored.file.range, prefix, start_after, limit, revision)
        records, more = await self._stored.read(read)
        # Compaction may have overtaken the read.
        self._forgetting.check_readable(revision)
        return Page(records, revision, more)

    # Applying.

    def apply(self, batch: CommittedBatch) -> None:
        """Apply committed entries; an empty payload is no command and only moves the index on."""
        applied = [
            self._apply(batch.first_index + offset, payload, proposal)
            for offset, (payload, proposal) in enumerate(
                zip(batch.payloads, batch.proposals, strict=True)
            )
        ]
        events = [event for entry in applied for event in entry.events]
        self._stored.writer.append(applied)
        if events:
            self._forgetting.written(applied)
            self._watches.publish(events)

    def _apply(self, index: int, payload: bytes, proposal: Proposal | None) -> HistoryBatch:
        if proposal is not None:
            transaction, time_ms = proposal.transaction, proposal.time_ms
        elif not payload:
            return self._unchanged(index)
        else:
            command = decode_command(payload)
            transaction, time_ms = command.transaction, command.time_ms
        keyspace, recent = self._memory.keyspace, self._memory.recent
        outcome, stored = apply_transaction(keyspace, recent, index, transaction, time_ms)
        if stored.events:
            self._scrubbing.written(stored.events)
        elif not transaction.writes:
            # Only a leader that wants the members compared writes an empty transaction.
            self._compared(StateMark(index, keyspace.revision, keyspace.digest))
        if proposal is not None and not proposal.outcome.done():
            proposal.outcome.set_result(outcome)
        return stored

    def _unchanged(self, index: int) -> HistoryBatch:
        keyspace = self._memory.keyspace
        return HistoryBatch(index, keyspace.revision, 0, (), digest=keyspace.digest)

    # Snapshots.

    async def copy_to(self, path: Path) -> None:
        """Write a copy of the history file, which is the state at ``stored_index`` or later."""
        await asyncio.to_thread(self._stored.file.copy_to, path)
        await self._stored.unmap()

    async def replace_by(self, path: Path) -> None:
        """Replace all state by the history file at ``path``; nothing may be applied meanwhile."""
        loaded: list[Keyspace] = []

        def replace() -> None:
            loaded.append(load_keyspace(path, self._options, self._ring.sealer))
            self._stored.file.replace_by(path)

        await self._stored.writer.exclusively(replace)
        options, memory = self._options, self._memory
        memory.keyspace = loaded[0]
        memory.recent = RecentEvents(memory.revision, options.recent_events, options.recent_bytes)
        self._forgetting.replaced()
        # The events that they missed are in the history: they resume from where they were.
        self._watches.drop(SlowWatcherError("a snapshot replaced the state"))
        self._ring.installed()
        loaded.clear()
        await asyncio.to_thread(release_freed_memory)

    async def reseal(self, tell: Callable[[float], None]) -> None:
        """Seal every entry of the history file with the active key; ``tell`` gets the part done."""
        await reseal_history(self._stored.file, self._stored.writer, tell)

    # Watching and forgetting.

    def watch(self, prefix: bytes, start_revision: int) -> AsyncIterator[EventBatch]:
        """Yield the changes after ``start_revision``, then live ones."""
        return self._watches.watch(prefix, start_revision)

    async def compact(self, revision: int) -> None:
        """Forget what only reads below ``revision`` can see, in the background writer."""
        await self._forgetting.compact(revision)

    # The end.

    def fail(self, error: StoreFailedError) -> None:
        """Stop: readers and watchers get ``error``."""
        self._error = error
        self._stored.writer.fail(error)
        self._watches.fail(error)

    def condemn(self, why: str) -> None:
        """Record durably that this state is wrong, so that it is never served again."""
        self._stored.file.set_note(CONDEMNED_NOTE, why.encode())

    def begin_close(self) -> None:
        """Accept nothing new; entries on their way may still be applied."""
        self._closing = True
        self._forgetting.stop()
        self._scrubbing.stop()

    def end_watches(self) -> None:
        """End the watches once the watchers have read what is buffered for them."""
        self._watches.end()

    async def close(self) -> None:
        """Store the history and release the directory."""
        await self._stored.close()
        self._directory_lock.release()
