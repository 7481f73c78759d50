"""What a state is, in 64 bits: how members find out that theirs are the same.

Owns: the digest of a record and of a whole state: the exclusive or of its records' digests.

Invariants: equal records give an equal digest, whatever the order and the history that made them,
so it is kept up with every write at the cost of that write, and can be computed anew from the
records at any time: after a restart, of a snapshot, in a check of what lies in memory.  It is no
protection against an attacker, only against accidents.
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
    """What the state was when the log had been applied up to ``index``."""

    index: int
    revision: int
    digest: int


def record_digest(record: Record) -> int:
    """Return the digest of one record: its key, value and revisions."""
    return state_digest((record,))


def state_digest(records: Iterable[Record]) -> int:
    """Return the digest of a state that consists of ``records``.

    A record's is no cyclic code: those are linear, so the same change of two records would cancel
    out.  The key counts in its written form, in which members of every age know it.
    All records pass here when a store opens, so it does with few calls for each of them.
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
    """Computes the digest of a state anew, some records at a time, while it is being written.

    Usage: ``look`` at all records in the order of their keys, tell it of every write in between
    (``written``); in the end ``digest`` is what the state's own digest must be.
    """

    def __init__(self) -> None:
        self.digest = 0
        self.position = b""

    def look(self, records: Iterable[Record]) -> None:
        """Take the next records."""
        for record in records:
            self.digest ^= record_digest(record)
            self.position = record.key

    def written(self, event: Event) -> None:
        """A key was written; what is still ahead will be looked at later."""
        if event.key > self.position:
            return
        if event.previous is not None:
            self.digest ^= record_digest(event.previous)
        if event.value is not None:
            record = Record(event.key, event.value, event.create_revision, event.revision)
            self.digest ^= record_digest(record)
