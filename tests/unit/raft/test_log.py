"""The log against one that keeps everything and computes every answer anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from podraft.server.raft.entries import (
    Entry,
    EntryKind,
    Membership,
    SnapshotMark,
    decode_membership,
)
from podraft.server.raft.errors import InvariantViolatedError
from podraft.server.raft.log import ENTRY_BYTES, RaftLog

FOUNDED = Membership.of((1, 2, 3))


@dataclass
class _SlowLog:
    """Entries from index 1 on, none ever forgotten, and what the disk holds of them."""

    entries: list[Entry] = field(default_factory=list)
    start: int = 0
    commit: int = 0
    applied: int = 0
    handed: int = 0  # To the disk.
    disk: list[Entry] = field(default_factory=list)
    writes: list[tuple[int, int, list[Entry]]] = field(default_factory=list)
    restored: int = 0  # Durable again only beyond this, once a later write is.

    @property
    def persisted(self) -> int:
        """How far the disk's entries are the log's."""
        count = 0
        for mine, durable in zip(self.entries, self.disk, strict=False):
            if mine is not durable:
                break
            count += 1
        return count

    def merge(self, start: int, entries: list[Entry]) -> None:
        for entry in entries:
            at = entry.index - 1
            if at < len(self.entries) and self.entries[at].term != entry.term:
                del self.entries[at:]
                self.handed = min(self.handed, at)
            if at == len(self.entries):
                self.entries.append(entry)

    def take_unwritten(self, sequence: int) -> tuple[Entry, ...]:
        taken = self.entries[self.handed :]
        self.writes.append((sequence, self.handed, taken))
        self.handed = len(self.entries)
        return tuple(taken)

    def writes_persisted(self, sequence: int) -> None:
        while self.writes and self.writes[0][0] <= sequence:
            _, offset, entries = self.writes.pop(0)
            del self.disk[offset:]
            self.disk.extend(entries)

    def memberships(self) -> list[tuple[int, Membership]]:
        """All that were ever in force in this log, the one at the start first."""
        found = [
            (entry.index, decode_membership(entry.payload))
            for entry in self.entries
            if entry.kind is EntryKind.MEMBERSHIP
        ]
        return [(0, FOUNDED), *found]

    def mark_at(self, index: int) -> SnapshotMark:
        membership = [held for at, held in self.memberships() if at <= index][-1]
        return SnapshotMark(index, self.entries[index - 1].term if index else 0, membership)


def _entries(random: Random, index: int, term: int) -> list[Entry]:
    made = []
    for _ in range(random.randint(0, 4)):
        index += 1
        if random.random() < 0.25:
            voters = random.sample(range(1, 6), random.randint(1, 4))
            payload = Membership.of(voters).encode()
            made.append(Entry(index, term, EntryKind.MEMBERSHIP, payload, 0))
        else:
            made.append(Entry(index, term, EntryKind.COMMAND, bytes(random.randint(0, 9)), 0))
    return made


def _check(log: RaftLog, slow: _SlowLog) -> None:
    last = len(slow.entries)
    assert (log.start, log.last_index, log.commit) == (slow.start, last, slow.commit)
    assert log.last_term == (slow.entries[-1].term if slow.entries else 0)
    assert log.persisted == max(slow.persisted, slow.start)
    assert log.unwritten is (slow.handed < last)
    for index in range(-1, last + 3):
        known = slow.start <= index <= last
        term = slow.entries[index - 1].term if 0 < index <= last else 0
        assert log.term_at(index) == (term if known else None), index
    memberships = slow.memberships()
    at, newest = memberships[-1]
    assert log.membership == newest
    assert log.membership_index == max(at, slow.start)
    uncommitted = at > slow.commit
    before = memberships[-2][1] if uncommitted else None
    assert log.previous_membership == before
    assert log.committed_membership == (before or newest)


@pytest.mark.parametrize("seed", range(60))
def test_the_log_answers_like_one_that_keeps_everything(seed: int) -> None:
    random = Random(seed)
    log, slow = RaftLog(SnapshotMark(0, 0, FOUNDED)), _SlowLog()
    leader: list[Entry] = []
    sequence = term = 0
    for _ in range(80):
        if random.random() < 0.25 or not term:
            term += 1
            leader = slow.entries[: random.randint(slow.commit, len(slow.entries))]
        leader = leader + _entries(random, len(leader), term)
        start = random.randint(slow.start, len(leader))
        sent = leader[start : random.randint(start, len(leader))]
        previous = leader[start - 1].term if start else 0
        fits = start <= len(slow.entries) and slow.entries[:start] == leader[:start]
        assert log.merge(start, previous, sent) is fits
        if fits:
            slow.merge(start, sent)
        if random.random() < 0.5:
            sequence += 1
            assert log.take_unwritten(sequence) == slow.take_unwritten(sequence)
        if random.random() < 0.4:
            done = sequence - random.randint(0, 2)
            log.writes_persisted(done)
            slow.writes_persisted(done)
        if random.random() < 0.5:
            agreed = 0
            for mine, theirs in zip(slow.entries, leader, strict=False):
                if mine is not theirs:
                    break
                agreed += 1
            index = random.randint(0, agreed)
            assert log.commit_to(index) is (index > slow.commit)
            slow.commit = max(slow.commit, index)
        if random.random() < 0.5:
            ahead = random.randint(1, 5)
            delivered = max(log.delivered, 0)
            end = min(slow.commit, slow.persisted, slow.applied + ahead)
            assert log.take_deliverable(ahead) == tuple(slow.entries[delivered:end])
            if random.random() < 0.7:
                slow.applied = log.delivered
                log.applied_to(slow.applied)
        if random.random() < 0.2:
            index = random.randint(0, slow.applied)
            if index:
                mark = slow.mark_at(index)
                if index >= slow.start:
                    assert log.mark_at(index) == mark
            log.compact(index)
            slow.start = max(slow.start, index)
        _check(log, slow)
        _check_reading(random, log, slow)


def _check_reading(random: Random, log: RaftLog, slow: _SlowLog) -> None:
    last = len(slow.entries)
    if last > slow.start:
        first = random.randint(slow.start + 1, last)
        end, bytes_max = random.randint(first, last), random.randint(0, 200)
        expected: list[Entry] = []
        size = 0
        for entry in slow.entries[first - 1 : end]:
            size += ENTRY_BYTES + len(entry.payload)
            if size > bytes_max and expected:
                break
            expected.append(entry)
        assert log.slice(first, end, bytes_max) == tuple(expected)
        assert log.entry(first) is slow.entries[first - 1]
    index, term = random.randint(slow.start, last + 2), random.randint(0, 9)
    found = min(index, last)
    while found > slow.start and slow.entries[found - 1].term > term:
        found -= 1
    held = slow.entries[found - 1].term if found else 0
    assert log.last_index_up_to_term(index, term) == (found, held)
    mine = (slow.entries[-1].term if slow.entries else 0, last)
    other = (random.choice((mine[0], mine[0] + 1, mine[0] - 1)), random.randint(0, last + 1))
    assert log.is_up_to_date(other[1], other[0]) is (other >= mine)


def test_a_log_begins_where_its_disk_ends() -> None:
    mark = SnapshotMark(4, 2, FOUNDED)
    changed = Membership.of((1, 2))
    entries = (
        Entry(5, 2, EntryKind.COMMAND, b"a", 0),
        Entry(6, 3, EntryKind.MEMBERSHIP, changed.encode(), 0),
    )
    log = RaftLog(mark, entries, applied=5)
    state = (log.start, log.last_index, log.last_term, log.written, log.persisted)
    assert state == (4, 6, 3, 6, 6)
    assert (log.commit, log.delivered, log.applied) == (5, 5, 5)
    assert (log.membership, log.previous_membership) == (changed, FOUNDED)
    # What the state machine lacks of the snapshot itself, the mark says.
    behind = RaftLog(mark, entries, applied=3)
    assert (behind.commit, behind.delivered, behind.applied) == (4, 4, 4)


def test_a_snapshot_replaces_everything_and_is_durable_with_its_own_write() -> None:
    log = RaftLog(SnapshotMark(0, 0, FOUNDED), [Entry(1, 1, EntryKind.COMMAND, b"", 0)])
    log.append([Entry(2, 1, EntryKind.COMMAND, b"", 0)])
    log.take_unwritten(1)
    mark = SnapshotMark(7, 3, Membership.of((2, 3)))
    log.restore(mark)
    # Its state machine has what the snapshot has, durable or not.
    assert log.take_deliverable(100) == ()
    assert (log.delivered, log.applied) == (7, 7)
    log.append([Entry(8, 3, EntryKind.COMMAND, b"", 0)])
    log.take_unwritten(2)
    found = [log.persisted]
    log.writes_persisted(1)
    found.append(log.persisted)
    log.writes_persisted(2)
    found.append(log.persisted)
    assert found == [0, 0, 8]
    assert (log.start, log.commit, log.applied, log.delivered) == (7, 7, 7, 7)
    assert (log.last_index, log.last_term, log.membership) == (8, 3, mark.membership)
    assert log.mark_at(7) == mark


def test_what_is_left_by_a_truncation_is_where_the_log_ends() -> None:
    terms = (1, 2, 2, 3)
    entries = [Entry(index, term, EntryKind.COMMAND, b"") for index, term in enumerate(terms, 1)]
    for cut in range(1, 5):
        log = RaftLog(SnapshotMark(0, 0, FOUNDED), entries)
        log.truncate(cut)
        term = (0, *terms)[cut - 1]
        assert (log.last_index, log.last_term) == (cut - 1, term)
        assert log.is_up_to_date(cut - 1, term)
        if term:
            with pytest.raises(InvariantViolatedError):
                log.append([Entry(cut, term - 1, EntryKind.COMMAND, b"")])


def test_the_mark_of_a_start_is_what_the_log_was_started_with() -> None:
    for mark in (SnapshotMark(0, 0, FOUNDED), SnapshotMark(7, 3, FOUNDED)):
        assert RaftLog(mark).mark_at(mark.index) == mark
