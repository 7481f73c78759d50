"""One member's log.

Owns: the entries behind the last compaction, in memory, and how far they are handed to the disk
(``written``), durable (``persisted``), committed (``commit``), handed to the state machine
(``delivered``) and applied; the membership in force.

Invariants: ``start <= applied <= delivered <= commit <= last_index``; an entry is delivered only
when it is durable here; a committed entry is never replaced; terms never fall along the log.  A
membership is in force from the moment it is in the log, and no longer once its entry is replaced.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from podraft.server.raft.entries import (
    Entry,
    EntryKind,
    Membership,
    SnapshotMark,
    decode_membership,
)
from podraft.server.raft.errors import ensure

# The bytes that an entry takes in a message besides its payload.
ENTRY_BYTES = 32


class RaftLog:
    """Entries ``start + 1`` to ``last_index``; earlier ones are in a snapshot."""

    def __init__(self, mark: SnapshotMark, entries: Sequence[Entry] = (), applied: int = 0) -> None:
        self._entries: list[Entry] = []
        # Writes on their way to the disk: their sequence, and the index up to which they prove it.
        self._writing: deque[tuple[int, int]] = deque()
        self._set_start(mark)
        self._extend(entries)
        self.written = self.persisted = self.last_index
        if applied > self.start:
            self.commit_to(applied)
            self.delivered = self.applied = applied

    def _set_start(self, mark: SnapshotMark) -> None:
        self.start = mark.index
        self._start_term = mark.term
        self._entries.clear()
        self.last_index, self.last_term = mark.index, mark.term
        self.commit = self.delivered = self.applied = mark.index
        self.written = self.persisted = mark.index
        self._memberships: list[tuple[int, Membership]] = [(mark.index, mark.membership)]
        self.membership = mark.membership

    # Reading.

    def term_at(self, index: int) -> int | None:
        """Return the term of the entry at ``index``; None if it is compacted or not there."""
        offset = index - self.start
        if 0 < offset <= len(self._entries):
            return self._entries[offset - 1].term
        return self._start_term if offset == 0 else None

    def entry(self, index: int) -> Entry:
        """Return the entry at ``index``, which is in memory."""
        return self._entries[index - self.start - 1]

    def slice(self, first: int, last: int, bytes_max: int) -> tuple[Entry, ...]:
        """Return entries from ``first`` to at most ``last``: as many as fit, and at least one."""
        entries = self._entries[first - self.start - 1 : last - self.start]
        size = 0
        for count, entry in enumerate(entries):
            size += ENTRY_BYTES + len(entry.payload)
            if size > bytes_max and count:
                return tuple(entries[:count])
        return tuple(entries)

    def is_up_to_date(self, last_index: int, last_term: int) -> bool:
        """Return whether a log with that end holds everything that this one may have committed."""
        return (last_term, last_index) >= (self.last_term, self.last_index)

    def last_index_up_to_term(self, index: int, term: int) -> tuple[int, int]:
        """Return the last position up to ``index`` whose term is at most ``term``, and its term.

        Return the log's start if there is none.  It is the highest index up to which this log may
        equal another one.
        """
        index = min(index, self.last_index)
        while index > self.start and self._entries[index - self.start - 1].term > term:
            index -= 1
        return index, self.term_at(index) or 0

    @property
    def membership_index(self) -> int:
        """The index of the membership in force."""
        return self._memberships[-1][0]

    @property
    def previous_membership(self) -> Membership | None:
        """The membership in force before the newest one, None if that one is committed."""
        if self.membership_index > self.commit:
            return self._memberships[-2][1]
        return None

    @property
    def committed_membership(self) -> Membership:
        """The newest membership that is certain to stay in the log."""
        return self.previous_membership or self.membership

    def mark_at(self, index: int) -> SnapshotMark:
        """Return the mark of a snapshot of the state machine at ``index``."""
        term = self.term_at(index)
        ensure(term is not None and index <= self.commit, f"no snapshot at {index} is possible")
        found = [membership for at, membership in self._memberships if at <= index]
        return SnapshotMark(index, term or 0, found[-1])

    # Growing.

    def _extend(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            ensure(entry.index == self.last_index + 1, f"a gap before entry {entry.index}")
            ensure(entry.term >= self.last_term, f"the term falls at entry {entry.index}")
            self._entries.append(entry)
            self.last_index, self.last_term = entry.index, entry.term
            if entry.kind is EntryKind.MEMBERSHIP:
                self.membership = decode_membership(entry.payload)
                self._memberships.append((entry.index, self.membership))

    def append(self, entries: Sequence[Entry]) -> None:
        """Add a leader's own entries at the end."""
        self._extend(entries)

    def merge(self, previous_index: int, previous_term: int, entries: Sequence[Entry]) -> bool:
        """Merge a leader's entries that follow ``previous_index``; False if that does not match.

        Equal entries stay, and so do those behind the last of ``entries``: the message may be an
        old one.  From the first difference on, the leader's entries replace this log's.
        """
        if self.term_at(previous_index) != previous_term:
            return False
        for position, entry in enumerate(entries):
            if self.term_at(entry.index) != entry.term:
                if entry.index <= self.last_index:
                    self.truncate(entry.index)
                self._extend(entries[position:])
                break
        return True

    def truncate(self, index: int) -> None:
        """Drop the entries from ``index`` on."""
        ensure(index > self.commit, f"entry {index} is to be replaced, {self.commit} is committed")
        del self._entries[index - self.start - 1 :]
        self.last_index = index - 1
        self.last_term = self.term_at(index - 1) or 0
        self.written = min(self.written, index - 1)
        self.persisted = min(self.persisted, index - 1)
        # A write under way proves nothing about the entries that replace its own.
        self._writing = deque((number, min(end, index - 1)) for number, end in self._writing)
        while self._memberships[-1][0] >= index:
            self._memberships.pop()
        self.membership = self._memberships[-1][1]

    # Progress.

    def commit_to(self, index: int) -> bool:
        """Commit entries up to ``index``; return whether any are newly committed."""
        if index <= self.commit:
            return False
        ensure(index <= self.last_index, f"{index} is committed, the log ends at {self.last_index}")
        self.commit = index
        return True

    @property
    def unwritten(self) -> bool:
        """Whether some entries were not handed to the disk yet."""
        return self.written != self.last_index

    def take_unwritten(self, sequence: int) -> tuple[Entry, ...]:
        """Return the entries not handed to the disk yet; they now belong to write ``sequence``."""
        entries = tuple(self._entries[self.written - self.start :])
        self.written = self.last_index
        self._writing.append((sequence, self.last_index))
        return entries

    def writes_persisted(self, sequence: int) -> None:
        """Learn that every write up to ``sequence`` is durable."""
        while self._writing and self._writing[0][0] <= sequence:
            self.persisted = max(self.persisted, self._writing.popleft()[1])

    def take_deliverable(self, ahead_max: int) -> tuple[Entry, ...]:
        """Return committed, durable entries to apply, up to ``ahead_max`` beyond ``applied``."""
        end = min(self.commit, self.persisted, self.applied + ahead_max)
        if end <= self.delivered:
            return ()
        entries = tuple(self._entries[self.delivered - self.start : end - self.start])
        self.delivered = end
        return entries

    def applied_to(self, index: int) -> None:
        """Learn that the state machine has applied everything up to ``index``."""
        ensure(index <= self.delivered, f"{index} is applied, {self.delivered} was delivered")
        self.applied = max(self.applied, index)

    def compact(self, index: int) -> None:
        """Forget the entries up to ``index``."""
        if index <= self.start:
            return
        ensure(index <= self.applied, f"compaction to {index}, {self.applied} is applied")
        mark = self.mark_at(index)
        del self._entries[: index - self.start]
        self.start, self._start_term = index, mark.term
        later = [item for item in self._memberships if item[0] > index]
        self._memberships = [(index, mark.membership), *later]

    def restore(self, mark: SnapshotMark) -> None:
        """Replace all entries by a snapshot that is ahead of what is committed here."""
        ensure(mark.index > self.commit, f"a snapshot of {mark.index} behind {self.commit}")
        self._set_start(mark)
        # It is durable only when its own write is; earlier writes prove nothing any more.
        self.persisted = 0
        self._writing = deque((number, 0) for number, _ in self._writing)
