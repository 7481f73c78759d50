"""The records that a member of a group writes into its write-ahead log.

Owns: the records (little-endian; each is the payload of one entry of ``Wal``) and their sum:

    entry:      1 u8 | index u64 | term u64 | kind u8 | proposal 16 bytes | payload
    hard state: 2 u8 | term u64 | vote u64
    base:       3 u8 | index u64 | term u64 | membership

The log is only appended to.  An entry replaces earlier entries from its index on, a hard state the
earlier one.  A base records that a snapshot replaces everything up to its index: entries
behind it stay if they continue it.

Invariant: folding any prefix of the records gives the state to recover after a crash behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct, error

from podraft.server.raft.entries import (
    INITIAL_HARD_STATE,
    Entry,
    EntryKind,
    HardState,
    MembershipFormatError,
    SnapshotMark,
    decode_membership,
)

PROPOSAL_BYTES = 16
# The name of the note that holds the base in a history file that came as a snapshot.
SNAPSHOT_NOTE = b"snapshot_mark"

_ENTRY = Struct("<BQQB16s")
_HARD_STATE = Struct("<BQQ")
_BASE = Struct("<BQQ")
_ENTRY_TAG, _HARD_STATE_TAG, _BASE_TAG = 1, 2, 3


class RecordFormatError(Exception):
    """Bytes that are not a record, or records that do not fit together."""


def encode_entry(entry: Entry) -> bytes:
    """Return the record of ``entry``; members send each other the same bytes."""
    proposal = entry.proposal.to_bytes(PROPOSAL_BYTES, "little")
    return _ENTRY.pack(_ENTRY_TAG, entry.index, entry.term, entry.kind, proposal) + entry.payload


def decode_entry(record: bytes) -> Entry:
    """Return the entry that ``encode_entry`` wrote.

    Raises:
        RecordFormatError: ``record`` is not an encoded entry.
    """
    try:
        tag, index, term, kind, proposal = _ENTRY.unpack_from(record)
        if tag != _ENTRY_TAG:
            raise RecordFormatError(f"record of type {tag} where an entry is expected")
        payload = record[_ENTRY.size :]
        return Entry(index, term, EntryKind(kind), payload, int.from_bytes(proposal, "little"))
    except (error, ValueError) as problem:
        raise RecordFormatError(f"no entry: {problem}") from None


def encode_hard_state(state: HardState) -> bytes:
    """Return the record of ``state``."""
    return _HARD_STATE.pack(_HARD_STATE_TAG, state.term, state.vote)


def encode_base(mark: SnapshotMark) -> bytes:
    """Return the record that makes the log begin behind ``mark``."""
    return _BASE.pack(_BASE_TAG, mark.index, mark.term) + mark.membership.encode()


def decode_base(record: bytes) -> SnapshotMark:
    """Return the mark that ``encode_base`` wrote.

    Raises:
        RecordFormatError: ``record`` is not an encoded base.
    """
    try:
        tag, index, term = _BASE.unpack_from(record)
        if tag != _BASE_TAG:
            raise RecordFormatError(f"record of type {tag} where a base is expected")
        return SnapshotMark(index, term, decode_membership(record[_BASE.size :]))
    except (error, MembershipFormatError) as problem:
        raise RecordFormatError(f"no base of a log: {problem}") from None


@dataclass(slots=True)
class Folded:
    """The sum of the records so far."""

    mark: SnapshotMark | None = None
    hard_state: HardState = INITIAL_HARD_STATE
    entries: list[Entry] = field(default_factory=list)

    def add(self, record: bytes) -> int:
        """Add the next record; return the log index that it is needed for (0: none).

        Raises:
            RecordFormatError: It is not a record, or leaves a gap.
        """
        tag = record[0] if record else 0
        if tag == _ENTRY_TAG:
            entry = decode_entry(record)
            self._add_entry(entry)
            return entry.index
        if tag == _BASE_TAG:
            self.rebase(decode_base(record))
            return 0
        if tag == _HARD_STATE_TAG and len(record) == _HARD_STATE.size:
            self.hard_state = HardState(*_HARD_STATE.unpack(record)[1:])
            return 0
        raise RecordFormatError(f"record of unknown type {tag} with {len(record)} bytes")

    def _add_entry(self, entry: Entry) -> None:
        # Segments are removed as a whole, so the first entries found may lack their beginning,
        # or be replaced from an earlier index by a later record: ``finish`` judges the result.
        offset = entry.index - self.entries[0].index if self.entries else 0
        if offset > len(self.entries):
            raise RecordFormatError(f"entry {entry.index} follows {self.entries[-1].index}")
        del self.entries[max(offset, 0) :]
        self.entries.append(entry)

    def rebase(self, mark: SnapshotMark) -> None:
        """Make the log begin behind ``mark``."""
        self.mark = mark
        entries = self.entries
        offset = mark.index - entries[0].index if entries else -1
        if offset < 0:
            return
        if offset < len(entries) and entries[offset].term == mark.term:
            del entries[: offset + 1]
        else:
            entries.clear()

    def finish(self) -> SnapshotMark:
        """Return the base of the whole log, once all records were added.

        Raises:
            RecordFormatError: There is no base, or the entries do not continue it.
        """
        if self.mark is None:
            raise RecordFormatError("the log has no beginning")
        if self.entries and self.entries[0].index != self.mark.index + 1:
            raise RecordFormatError(
                f"entries {self.mark.index + 1} to {self.entries[0].index - 1} are missing"
            )
        return self.mark


def fold(records: Iterable[bytes]) -> Folded:
    """Return the sum of all ``records``."""
    folded = Folded()
    for record in records:
        folded.add(record)
    folded.finish()
    return folded
