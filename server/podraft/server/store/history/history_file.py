"""The LMDB file that holds the versions of every key.

Owns: the file's layout.

    history:    key | 0x00 | revision u64  ->  create_revision u64 | kind u8 | value, sealed
    revisions:  revision u64  ->  when, by whom, which keys (see ``revision_entries``)
    requests:   revision u64  ->  time_ms u64 | request and digest, sealed
                for the revisions whose requests are remembered, and perhaps some older ones
    meta:       name  ->  u64, or bytes; the digest of the newest state is sealed

All integers are big-endian, so that LMDB's order is ours.  Keys hold no NUL byte, so a key's
versions lie together and keys keep their order.

Invariants: one commit stores whole revisions and the log index that they came from, so the
file is always the state after some prefix of the log; the digest of the newest state is in
``meta``, so that damage is found when the state is read.  Every version that a read at or above
the compacted revision can see is present.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, Final, TypeAlias

from podraft.server.encryption.sealing import Sealer, SealError
from podraft.server.state.datastore import Event, Record
from podraft.server.state.requests import AppliedRequest
from podraft.server.store.history.environment import HistoryEnvironment
from podraft.server.store.history.revision_entries import (
    packed_revision,
    split_revision,
    time_of_revision,
)
from podraft.server.store.history.stored_requests import StoredRequests
from podraft.server.store.history.versions import (
    SUFFIX_BYTES,
    HistoryFormatError,
    Versions,
    remove_superseded,
)

_NUMBER = Struct(">Q")
DIGEST_NOTE: Final = b"state_digest"
_DIGEST_CONTEXT = b"meta\0state_digest"
# The position of ``reseal``: its database and its entry.
ResealPosition: TypeAlias = tuple[int, bytes]
RESEAL_START: Final = (0, b"")
_RESEALED_BYTES = 4 * 1024 * 1024
# One commit of the writer has at most 4,000 batches.
_REQUESTS_REMOVED_MAX = 8_000


@dataclass(frozen=True, slots=True)
class HistoryBatch:
    """The events of one applied revision; without events only the log index moves on.

    ``digest`` is the digest of the state after it; None if it is not known.
    """

    index: int
    revision: int
    time_ms: int
    events: tuple[Event, ...]
    author: bytes = b""
    bytes: int = 0
    digest: int | None = None
    # The request that made this revision, as remembered; the oldest revision remembered.
    request: AppliedRequest | None = None
    oldest_request: int = 0


class History(HistoryEnvironment):
    """The content of the LMDB file.  One thread writes; others read snapshots."""

    def __init__(self, path: Path, map_bytes: int, sealer: Sealer) -> None:
        self._sealer = sealer
        self.versions = Versions(sealer)
        self.stored_requests = StoredRequests(sealer)
        super().__init__(path, map_bytes)

    # Writing.

    def append(self, batches: Sequence[HistoryBatch]) -> None:
        """Store ``batches`` durably, in one commit."""
        versions: list[tuple[bytes, bytes]] = []
        revisions: list[tuple[bytes, bytes]] = []
        requests: list[tuple[bytes, bytes]] = []
        oldest_request = 0
        stored_version = self.versions.stored
        for batch in batches:
            if not batch.events:
                continue
            revision = _NUMBER.pack(batch.revision)
            if batch.request is not None:
                requests.append(self.stored_requests.stored(batch.request))
                oldest_request = batch.oldest_request
            versions += map(stored_version, batch.events)
            keys = (event.key for event in batch.events)
            revisions.append((revision, packed_revision(batch.time_ms, batch.author, keys)))
        # Neighbours in the file are written together, which visits fewer pages.
        versions.sort()
        last = batches[-1]

        def put(transaction: Any) -> None:
            if revisions:
                with transaction.cursor(db=self._history) as cursor:
                    cursor.putmulti(versions)
                with transaction.cursor(db=self._revisions) as cursor:
                    cursor.putmulti(revisions, append=True)
            if requests:
                with transaction.cursor(db=self._requests) as cursor:
                    cursor.putmulti(requests, append=True)
                    _remove_before(cursor, _NUMBER.pack(oldest_request))
            self._set(transaction, b"applied_index", last.index)
            self._set(transaction, b"applied_revision", last.revision)
            if last.digest is not None:
                self._set_digest(transaction, last.digest)
            elif versions:
                transaction.delete(DIGEST_NOTE, db=self._meta)

        self._write(put)
        self.applied_index = last.index
        self.applied_revision = last.revision

    def compact(self, target: int, revisions_max: int) -> bool:
        """Compact up to ``revisions_max`` revisions towards ``target``; return if it is reached.

        Each key that a revision wrote loses the version before it, and a tombstone as well.
        """
        first = self.compacted + 1
        last = min(target, self.compacted + revisions_max)

        def remove(transaction: Any) -> None:
            with (
                transaction.cursor(db=self._history) as cursor,
                transaction.cursor(db=self._revisions) as revisions,
            ):
                found = revisions.set_range(_NUMBER.pack(first))
                stored = b""
                while found and revisions.key() <= _NUMBER.pack(last):
                    stored = revisions.value()
                    for key in split_revision(stored)[1]:
                        remove_superseded(cursor, key, revisions.key())
                    found = revisions.delete()
            self._set(transaction, b"compacted", last)
            if stored:
                self._set(transaction, b"compacted_time_ms", time_of_revision(stored))

        if first <= target:
            self._write(remove)
            self.compacted = last
        return self.compacted >= target

    def reseal(self, position: ResealPosition, entries_max: int) -> ResealPosition | None:
        """Seal the next entries with the active key; return where to go on, None at the end.

        At most ``entries_max`` entries are changed, and ten times as many examined: entries
        written meanwhile, which are sealed already, must not keep it from finishing.

        Raises:
            HistoryFormatError: An entry is damaged; nothing was changed.
        """
        number, start = position
        database = (self._history, self._requests)[number]
        resealed = (self.versions.resealed, self.stored_requests.resealed)[number]

        def rewrite(transaction: Any) -> bytes | None:
            count = size = 0
            with transaction.cursor(db=database) as cursor:
                found = cursor.set_range(start)
                for _ in range(10 * entries_max):
                    if not found or count >= entries_max or size > _RESEALED_BYTES:
                        break
                    name, stored = cursor.item()
                    changed = resealed(name, stored)
                    if changed is not None:
                        cursor.put(name, changed)
                        count += 1
                        size += len(changed)
                    found = cursor.next()
                return cursor.key() if found else None

        next_name = self._write(rewrite)
        if next_name is not None:
            return number, next_name
        if number == 0:
            return 1, b""
        digest = self.digest
        if digest is not None:
            self._write(lambda transaction: self._set_digest(transaction, digest))
        return None

    # Reading.

    def newest(self) -> Iterator[Record]:
        """Yield the newest record of every live key (in descending order of keys)."""
        with (
            self._environment.begin(db=self._history) as transaction,
            transaction.cursor() as cursor,
        ):
            yield from self.versions.newest(cursor)

    def requests(self) -> Iterator[AppliedRequest]:
        """Yield the requests that took effect, the oldest first; only the newest are remembered."""
        with (
            self._environment.begin(db=self._requests) as transaction,
            transaction.cursor() as cursor,
        ):
            for name, stored in cursor:
                yield self.stored_requests.request(name, stored)

    def range(
        self, prefix: bytes, start_after: bytes, limit: int, revision: int
    ) -> tuple[list[Record], bool]:
        """Return the records at ``revision``, which must be stored and not compacted."""
        records: list[Record] = []
        with self._use.together(), self._environment.begin(db=self._history) as transaction:
            cursor = transaction.cursor()
            above = bool(start_after) and start_after >= prefix
            found = cursor.set_range(start_after + b"\x01" if above else prefix)
            while found:
                key = cursor.key()[:-SUFFIX_BYTES]
                if not key.startswith(prefix):
                    break
                record = self.versions.at(cursor, key, revision)
                if record is not None:
                    if limit and len(records) == limit:
                        return records, True
                    records.append(record)
                found = cursor.set_range(key + b"\x01")
        return records, False

    def events_after(
        self, prefix: bytes, revision: int, *, events_max: int, bytes_max: int
    ) -> tuple[int, list[Event]]:
        """Return the next events below ``prefix`` in whole revisions, and the last one examined.

        A call examines at most 20,000 revisions.
        """
        events: list[Event] = []
        size = 0
        last = revision
        with self._use.together(), self._environment.begin() as transaction:
            history = transaction.cursor(db=self._history)
            revisions = transaction.cursor(db=self._revisions)
            found = revisions.set_range(_NUMBER.pack(revision + 1))
            while found and len(events) < events_max and size < bytes_max:
                (last,) = _NUMBER.unpack(revisions.key())
                if last > revision + 20_000:
                    return revision + 20_000, events
                for key in split_revision(revisions.value())[1]:
                    if key.startswith(prefix):
                        event = self.versions.event(history, key, last)
                        events.append(event)
                        size += len(event.value or b"")
                found = revisions.next()
        return last, events

    def revision_before(self, time_ms: int) -> int:
        """Return the last stored revision that was proposed before ``time_ms``; 0: none."""
        with self._use.together(), self._environment.begin(db=self._revisions) as transaction:
            low, high = self.compacted, self.applied_revision
            while low < high:
                middle = (low + high + 1) // 2
                stored = transaction.get(_NUMBER.pack(middle))
                # A revision without an entry was compacted, so it is old.
                if stored is None or time_of_revision(stored) < time_ms:
                    low = middle
                else:
                    high = middle - 1
            return low

    def entry_counts(self) -> tuple[int, int]:
        """Return how many versions and how many revisions are stored."""
        with self._use.together(), self._environment.begin() as transaction:
            versions = transaction.stat(self._history)["entries"]
            return versions, transaction.stat(self._revisions)["entries"]

    def used_bytes(self) -> int:
        """Return the size in bytes of the file's pages that hold versions."""
        with self._use.together(), self._environment.begin() as transaction:
            status = transaction.stat(self._history)
        pages: int = status["branch_pages"] + status["leaf_pages"] + status["overflow_pages"]
        return pages * int(status["psize"])

    @contextmanager
    def cursors(self) -> Iterator[tuple[Any, Any]]:
        """Yield cursors over the versions and over the revisions in one snapshot of the file."""
        with self._use.together(), self._environment.begin() as transaction:
            yield transaction.cursor(db=self._history), transaction.cursor(db=self._revisions)

    @property
    def digest(self) -> int | None:
        """The digest of the newest state, as it was applied; None if it is not known."""
        found = self.note(DIGEST_NOTE)
        if found is None:
            return None
        try:
            return int(_NUMBER.unpack(self._sealer.open(found, _DIGEST_CONTEXT))[0])
        except SealError as error:
            raise HistoryFormatError(f"{self._path}: the state's digest: {error}") from None

    @property
    def compacted_time_ms(self) -> int:
        """The time, in ms since 1970, when the compacted revision was proposed; 0: not known."""
        with self._use.together():
            return self._number(b"compacted_time_ms")

    def _set_digest(self, transaction: Any, digest: int) -> None:
        transaction.put(DIGEST_NOTE, sealed_digest(self._sealer, digest), db=self._meta)


def sealed_digest(sealer: Sealer, digest: int) -> bytes:
    """Return the state's digest, sealed, as in the clear it would confirm a guess of a value."""
    return sealer.seal(_NUMBER.pack(digest), _DIGEST_CONTEXT)


def _remove_before(cursor: Any, end: bytes) -> None:
    """Remove some entries before ``end``: more than are added, but a bounded number."""
    found = cursor.first()
    for _ in range(_REQUESTS_REMOVED_MAX):
        if not found or cursor.key() >= end:
            return
        found = cursor.delete()
