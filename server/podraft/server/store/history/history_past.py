"""The past, read from the history file.

Owns: the cursor movements that answer each question; the thread that makes them.

Invariants: nothing is answered from the file before it has everything up to the newest
revision that the question is about; an answer that compaction overtook is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from struct import Struct
from typing import Any, TypeVar

from podraft.server.state.datastore import (
    Event,
    FutureRevisionError,
    Record,
    RevisionCompactedError,
)
from podraft.server.state.past import (
    BeforeHistoryError,
    Change,
    ChangeTooLargeError,
    Kept,
    Version,
    Versions,
)
from podraft.server.state.retention import Retention
from podraft.server.store.history.history_file import History
from podraft.server.store.history.history_writer import HistoryWriter
from podraft.server.store.history.revision_entries import split_revision, time_of_revision

_NUMBER = Struct(">Q")
_SEPARATOR_AND_REVISION_BYTES = 9
_REVISION_MAX = 2**63 - 1

AnswerT = TypeVar("AnswerT")


class HistoryPast:
    """The ``Past`` of one member; ``revision`` and ``compacted`` tell where its store is."""

    def __init__(
        self,
        history: History,
        writer: HistoryWriter,
        readers: Executor,
        retention: Retention,
        *,
        revision: Callable[[], int],
        compacted: Callable[[], int],
    ) -> None:
        self._history = history
        self._writer = writer
        self._readers = readers
        self._retention = retention
        self._revision = revision
        self._compacted = compacted

    async def kept(self) -> Kept:
        """Return which revisions can be read."""
        oldest = max(self._compacted(), 1)
        return Kept(oldest, await self.time_of(oldest), self._revision(), self._retention)

    async def revision_at(self, time_ms: int) -> int:
        """Return the newest revision that was proposed at or before ``time_ms``."""
        revision = await self._ask(lambda: self._history.revision_before(time_ms + 1))
        kept = await self.kept()
        if revision < kept.oldest or (revision == kept.oldest and time_ms < kept.time_ms):
            raise BeforeHistoryError(kept)
        return revision

    async def time_of(self, revision: int) -> int:
        """Return when ``revision`` was proposed; 0: not known."""

        def look() -> int:
            if revision == self._history.compacted:
                return self._history.compacted_time_ms
            with self._history.cursors() as (_, revisions):
                return _time_and_author(revisions, revision)[0]

        return await self._ask(look)

    async def versions(self, key: bytes, *, before: int, limit: int, bytes_max: int) -> Versions:
        """Return the versions of ``key`` older than ``before`` (0: all)."""

        def look() -> Versions:
            with self._history.cursors() as (history, revisions):
                return _versions(
                    self._history.versions.record,
                    (history, revisions),
                    key,
                    before or _REVISION_MAX,
                    limit,
                    bytes_max,
                )

        return await self._ask(look)

    async def change(self, revision: int, *, bytes_max: int) -> Change:
        """Return what the transaction of ``revision`` changed."""
        if revision > self._revision():
            raise FutureRevisionError(revision, self._revision())
        found = await self._ask(lambda: self._change(revision, bytes_max))
        if revision <= self._compacted() or found is None:
            # The state at the compacted revision is kept, but not the state before it.
            raise RevisionCompactedError(revision, self._compacted() + 1)
        return found

    def _change(self, revision: int, bytes_max: int) -> Change | None:
        events: list[Event] = []
        size = 0
        with self._history.cursors() as (history, revisions):
            if not revisions.set_key(_NUMBER.pack(revision)):
                return None
            stored = revisions.value()
            author, keys = split_revision(stored)
            for key in keys:
                event = self._history.versions.event(history, key, revision)
                size += len(event.value or b"")
                size += len(event.previous.value) if event.previous is not None else 0
                if size > bytes_max:
                    raise ChangeTooLargeError
                events.append(event)
        return Change(revision, time_of_revision(stored), author, events)

    async def _ask(self, look: Callable[[], AnswerT]) -> AnswerT:
        await self._writer.flushed(self._revision())
        return await asyncio.get_running_loop().run_in_executor(self._readers, look)


def _time_and_author(revisions: Any, revision: int) -> tuple[int, bytes]:
    if not revisions.set_key(_NUMBER.pack(revision)):
        return 0, b""
    stored = revisions.value()
    return time_of_revision(stored), split_revision(stored)[0]


def _versions(
    record_of: Callable[[bytes, bytes], Record | None],
    cursors: tuple[Any, Any],
    key: bytes,
    before: int,
    limit: int,
    bytes_max: int,
) -> Versions:
    history, revisions = cursors
    items: list[Version] = []
    size = 0
    end = key + b"\0" + _NUMBER.pack(before)
    found = history.prev() if history.set_range(end) else history.last()
    while found and history.key()[:-_SEPARATOR_AND_REVISION_BYTES] == key:
        name, stored = history.item()
        # A first version larger than the bound is returned all the same, to make progress.
        size += len(stored)
        if len(items) == limit or (items and size > bytes_max):
            return Versions(items, more=True)
        (revision,) = _NUMBER.unpack_from(name, len(name) - _NUMBER.size)
        time_ms, author = _time_and_author(revisions, revision)
        record = record_of(name, stored)
        is_first = record is not None and record.create_revision == revision
        value = None if record is None else record.value
        items.append(Version(revision, time_ms, author, value, is_first))
        found = history.prev()
    return Versions(items, more=False)
