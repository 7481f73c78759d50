"""A copy of all the records below a prefix, by name, which follows the store.

Owns: which of two states of a record is the newer one, and which names may be dropped from the
store.  Invariants: a record never takes the place of a newer one, whether it comes from a watch, a
read or a write of this server; a look-up costs one dictionary access.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from podraft.server.registry.following import follow
from podraft.server.state.datastore import Datastore, EventBatch, Guard

_FORGOTTEN_AT_ONCE: Final = 20


class _Record(Protocol):
    def is_forgotten(self, now_s: float) -> bool:
        """Return whether the name need not be remembered any longer."""


RecordT = TypeVar("RecordT", bound=_Record)


@dataclass(frozen=True, slots=True)
class Entry(Generic[RecordT]):
    """A record, and the revision since which the store holds it."""

    revision: int
    record: RecordT


class StoredRecords(Generic[RecordT]):
    """The records by name.

    ``changed`` is called for each change with the name, what was there and what is there now.
    """

    def __init__(
        self,
        datastore: Datastore,
        prefix: bytes,
        decode: Callable[[bytes], RecordT],
        changed: Callable[[str, RecordT | None, RecordT | None], None],
        what: str,
    ) -> None:
        self.revision = 0
        self._datastore = datastore
        self._prefix = prefix
        self._decode = decode
        self._changed = changed
        self._what = what
        self._entries: dict[str, Entry[RecordT]] = {}
        self._following: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    async def start(self) -> None:
        """Read all records and begin to follow the store."""
        await self._read()
        self._following = asyncio.create_task(
            follow(self._datastore, self._prefix, self, lambda _: self._read(), self._what)
        )

    async def stop(self) -> None:
        """Stop following the store."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def get(self, name: str) -> Entry[RecordT] | None:
        """Return the entry of ``name``, as far as this server knows."""
        return self._entries.get(name)

    def forgotten(self, now_s: float) -> list[Guard]:
        """Return guards on some records whose names need not be remembered any more."""
        found = (
            Guard(self._prefix + name.encode(), entry.revision)
            for name, entry in self._entries.items()
            if entry.record.is_forgotten(now_s)
        )
        return list(itertools.islice(found, _FORGOTTEN_AT_ONCE))

    def took(self, name: str, record: RecordT, revision: int) -> None:
        """Take over ``record``, which the store holds since ``revision``."""
        before = self._entries.get(name)
        if before is not None and before.revision >= revision:
            return
        self._entries[name] = Entry(revision, record)
        self._changed(name, before.record if before is not None else None, record)

    def take(self, batch: EventBatch) -> None:
        """Take over the events that follow, and their revision."""
        for event in batch.events:
            name = self._name_of(event.key)
            if event.value is None:
                self._forget(name, event.revision)
            else:
                self.took(name, self._decode(event.value), event.revision)
        self.revision = max(self.revision, batch.revision)

    def _forget(self, name: str, revision: int) -> None:
        entry = self._entries.get(name)
        if entry is not None and entry.revision <= revision:
            del self._entries[name]
            self._changed(name, entry.record, None)

    async def _read(self) -> None:
        page = await self._datastore.range(self._prefix)
        found = {self._name_of(record.key): record for record in page.records}
        for name in self._entries.keys() - found.keys():
            self._forget(name, page.revision)
        for name, record in found.items():
            self.took(name, self._decode(record.value), record.mod_revision)
        self.revision = page.revision

    def _name_of(self, key: bytes) -> str:
        return key[len(self._prefix) :].decode()
