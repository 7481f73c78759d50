"""The newest state of every key, and what a transaction does to it.

Owns: the records in memory, ordered by key, and the requests that took effect lately.

Invariants: ``apply`` is deterministic (the same transactions in the same order give the
same records, outcomes and events on every member), all or nothing, and takes a
revision only if it changes something.  ``digest`` is the records' digest (see ``digests``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Final

from sortedcontainers import SortedList

from podraft.server.state.datastore import (
    Committed,
    Event,
    Guard,
    GuardFailed,
    Outcome,
    Put,
    Record,
    Repeated,
    Transaction,
)
from podraft.server.state.digests import record_digest, state_digest
from podraft.server.state.requests import AppliedRequest, AppliedRequests
from podraft.server.state.revisions import revision_suffix

_VALUE: Final = attrgetter("value")


def prefix_end(prefix: bytes) -> bytes | None:
    """Return the smallest key above all that begin with ``prefix``; None if there is none."""
    trimmed = prefix.rstrip(b"\xff")
    if not trimmed:
        return None
    return trimmed[:-1] + bytes((trimmed[-1] + 1,))


class Keyspace:
    """The newest record of every key."""

    __slots__ = ("_keys", "_records", "digest", "requests", "revision")

    def __init__(
        self,
        records: Iterable[Record] = (),
        revision: int = 0,
        requests: Iterable[AppliedRequest] = (),
    ) -> None:
        self._records: dict[bytes, Record] = {record.key: record for record in records}
        self._keys = SortedList(self._records)
        self.digest = state_digest(self._records.values())
        self.revision = revision
        self.requests = AppliedRequests(requests)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def value_bytes(self) -> int:
        """The total size of all values, in bytes."""
        return sum(map(len, map(_VALUE, self._records.values())))

    def get(self, key: bytes) -> Record | None:
        """Return the record of ``key``, None if it is absent."""
        return self._records.get(key)

    def keys(self, prefix: bytes, start_after: bytes = b"") -> Iterator[bytes]:
        """Yield the keys that begin with ``prefix`` and lie above ``start_after``, in order."""
        above = bool(start_after) and start_after >= prefix
        keys: Iterator[bytes] = self._keys.irange(
            start_after if above else prefix,
            prefix_end(prefix),
            inclusive=(not above, False),
        )
        return keys

    def count(self, prefix: bytes, start_after: bytes = b"") -> int:
        """Return the number of keys that begin with ``prefix`` and lie above ``start_after``."""
        above = bool(start_after) and start_after >= prefix
        end = prefix_end(prefix)
        first = self._keys.bisect_right(start_after) if above else self._keys.bisect_left(prefix)
        last = len(self._keys) if end is None else self._keys.bisect_left(end)
        return max(int(last - first), 0)

    def range(self, prefix: bytes, start_after: bytes, limit: int) -> tuple[list[Record], bool]:
        """Return up to ``limit`` records (0: all) and whether there are more."""
        records = self._records
        keys = self.keys(prefix, start_after)
        if not limit:
            return [records[key] for key in keys], False
        found = [records[key] for key in islice(keys, limit + 1)]
        more = len(found) > limit
        if more:
            found.pop()
        return found, more

    def past_range(
        self, old: Mapping[bytes, Record | None], prefix: bytes, start_after: bytes, limit: int
    ) -> tuple[list[Record], bool]:
        """Return ``range`` as of when the keys in ``old`` had these records (None: absent)."""
        gone = sorted(key for key in old if key > start_after and key not in self._records)
        records: list[Record] = []
        for key in merge(self.keys(prefix, start_after), gone):
            record = old[key] if key in old else self._records[key]
            if record is None:
                continue
            if limit and len(records) == limit:
                return records, True
            records.append(record)
        return records, False

    def unmet(self, guards: Iterable[Guard]) -> GuardFailed | None:
        """Return the first guard that does not hold, None if all do."""
        for guard in guards:
            found = self._records.get(guard.key)
            if (found.mod_revision if found is not None else 0) != guard.mod_revision:
                return GuardFailed(guard, found)
        return None

    def apply(
        self, transaction: Transaction, revision: int, time_ms: int = 0
    ) -> tuple[Outcome, tuple[Event, ...]]:
        """Apply ``transaction`` as ``revision``, which must be above the current one.

        ``time_ms`` is when it was proposed.
        """
        if revision <= self.revision:
            raise ValueError(f"revision {revision} does not follow {self.revision}")
        request = transaction.request
        if request and (applied := self.requests.find(request)) is not None:
            return Repeated(applied.revision, applied.digest), ()
        failed = self.unmet(transaction.guards)
        if failed is not None:
            return failed, ()
        events: list[Event] = []
        suffix = revision_suffix(revision)
        for write in transaction.writes:
            if isinstance(write, Put):
                value = write.value + suffix if write.stamped else write.value
                events.append(self._put(write.key, value, revision))
            else:
                previous = self._records.pop(write.key, None)
                if previous is not None:
                    self._keys.remove(write.key)
                    self.digest ^= record_digest(previous)
                    events.append(Event(revision, write.key, None, 0, previous))
        if not events:
            return Committed(self.revision), ()
        self.revision = revision
        if request:
            self.requests.remember(request, revision, time_ms, transaction.digest)
        return Committed(revision), tuple(events)

    def _put(self, key: bytes, value: bytes, revision: int) -> Event:
        previous = self._records.get(key)
        if previous is None:
            created = revision
            self._keys.add(key)
        else:
            created = previous.create_revision
            # Of the record as it is, not as it was meant to be: so spontaneous damage shows.
            self.digest ^= record_digest(previous)
        record = Record(key, value, created, revision)
        self._records[key] = record
        self.digest ^= record_digest(record)
        return Event(revision, key, value, created, previous)
