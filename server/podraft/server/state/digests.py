"""A state's digest of 64 bits, by which members find out whether their states are equal.

Owns: the digest of a record, and that of a whole state: the exclusive or of its records' digests.

Invariants: equal records give an equal digest, whatever order and history led to them.  So each
write updates the digest at a cost that depends on that write alone, and the digest can be
recomputed from the records at any time: after a restart, for a snapshot, or to check memory.  It
protects against accidents, not against an attacker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from struct import Struct

from podraft.server.state.datastore import Event, Record
from podraft.server.state.key_forms import written

DIGEST_BYTES = 8
_HEAD = Struct("<QQH")


@dataclass(frozen=True, slots=True)
class StateMark:
    """The digest of the state at the time when the log had been applied up to ``index``."""

    index: int
    revision: int
    digest: int


def record_digest(record: Record) -> int:
    """Return the digest of one record: its key, value and revisions."""
    return state_digest((record,))


def state_digest(records: Iterable[Record]) -> int:
    """Return the digest of a state that consists of ``records``.

    A record's digest is no cyclic code: those are linear, so the same change to two records would
    cancel out.  It covers the key in its written form, which members of every version know.
    All records pass through here when a store opens, so it makes few calls for each of them.
    """
    digest = 0
    pack, from_bytes = _HEAD.pack, int.from_bytes
    for name, value, created, modified in records:
        key = written(name)
        made = blake2b(pack(created, modified, len(key)) + key, digest_size=DIGEST_BYTES)
        made.update(value)
        digest ^= from_bytes(made.digest(), "little")
    return digest


class Scrub:
    """A recomputation of a state's digest, some records at a time, while the state is written.

    Usage: pass all records to ``look`` in the order of their keys, and every write in between to
    ``written``; in the end ``digest`` is what the state's own digest must be.
    """

    def __init__(self) -> None:
        self.digest = 0
        self.position = b""

    def look(self, records: Iterable[Record]) -> None:
        """Add the next records to the digest."""
        for record in records:
            self.digest ^= record_digest(record)
            self.position = record.key

    def written(self, event: Event) -> None:
        """Account for the write of a key; a key still ahead is left to ``look``."""
        if event.key > self.position:
            return
        if event.previous is not None:
            self.digest ^= record_digest(event.previous)
        if event.value is not None:
            record = Record(event.key, event.value, event.create_revision, event.revision)
            self.digest ^= record_digest(record)
