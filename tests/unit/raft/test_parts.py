"""The arithmetic of majorities, the membership's bytes, and the log against a simple model."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from random import Random

import pytest

from podraft.server.raft.changes import changed_membership
from podraft.server.raft.entries import (
    Entry,
    EntryKind,
    Membership,
    MembershipFormatError,
    SnapshotMark,
    decode_membership,
)
from podraft.server.raft.errors import InvariantViolatedError
from podraft.server.raft.events import AddLearner, Change, Describe, Promote, Remove
from podraft.server.raft.log import RaftLog
from podraft.server.raft.progress import Pace, Progress
from podraft.server.raft.quorum import agreed_index, majority, verdict


def test_the_agreed_index_is_the_highest_which_a_majority_has() -> None:
    for size in range(1, 6):
        voters = tuple(range(1, size + 1))
        for values in product(range(4), repeat=size):
            matches = dict(zip(voters, values, strict=True))
            agreed = agreed_index(voters, matches)
            holders = [sum(value >= index for value in values) for index in range(5)]
            assert holders[agreed] >= majority(size) > holders[agreed + 1]


def test_who_said_nothing_has_nothing_and_nobody_agrees_on_nothing() -> None:
    assert agreed_index((1, 2, 3), {1: 5}) == 0
    assert agreed_index((), {1: 5}) == 0


def test_a_verdict_falls_as_soon_as_the_open_votes_cannot_change_it() -> None:
    for size in range(1, 6):
        voters = tuple(range(1, size + 1))
        for answers in product((True, False, None), repeat=size):
            votes = {
                voter: answer
                for voter, answer in zip(voters, answers, strict=True)
                if answer is not None
            }
            granted, refused = answers.count(True), answers.count(False)
            possible = granted + answers.count(None) >= majority(size)
            expected = True if granted >= majority(size) else None if possible else False
            assert verdict(voters, votes) is expected, (granted, refused)


def test_majorities_of_memberships_one_change_apart_share_a_voter() -> None:
    for size in range(2, 7):
        before = Membership.of(range(1, size + 1), (9,))
        changes: list[Change] = [Promote(9), Remove(1)]
        for change in changes:
            after = changed_membership(before, change)
            assert after is not None
            for one in combinations(before.voters, majority(len(before.voters))):
                for other in combinations(after.voters, majority(len(after.voters))):
                    assert set(one) & set(other)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (AddLearner(3), Membership((1, 2), (3, 8))),
        (AddLearner(1), None),
        (AddLearner(8), None),
        (AddLearner(0), None),
        (Promote(8), Membership((1, 2, 8))),
        (Promote(1), None),
        (Promote(5), None),
        (Remove(2), Membership((1,), (8,))),
        (Remove(8), Membership((1, 2))),
        (Remove(5), None),
    ],
)
def test_a_change_moves_one_member(change: Change, expected: Membership | None) -> None:
    assert changed_membership(Membership.of((1, 2), (8,)), change) == expected


def test_a_change_may_bring_another_context_and_keeps_it_otherwise() -> None:
    before = Membership.of((1, 2), (8,), b"old")
    for change in (AddLearner(3), Promote(8), Remove(2)):
        kept = changed_membership(before, change)
        assert kept is not None
        assert kept.context == b"old"
        changed = changed_membership(before, replace(change, context=b"new"))
        assert changed == replace(kept, context=b"new")
    described = changed_membership(before, Describe(b"new"))
    assert described == replace(before, context=b"new")
    assert described is not None
    assert decode_membership(described.encode()) == described


def test_the_last_voter_stays() -> None:
    assert changed_membership(Membership.of((1,), (2,)), Remove(1)) is None


def test_a_membership_survives_its_bytes_and_nothing_else_is_taken_for_one() -> None:
    membership = Membership.of((3, 1, 2**63), (7,))
    data = membership.encode()
    assert decode_membership(data) == membership
    for broken in (b"", data[:-1], data + b"x", b"\x02" + data[1:]):
        with pytest.raises(MembershipFormatError):
            decode_membership(broken)


def test_what_is_on_disks_and_on_the_wire_keeps_its_meaning() -> None:
    assert {kind.name: kind.value for kind in EntryKind} == {
        "COMMAND": 1,
        "EMPTY": 2,
        "MEMBERSHIP": 3,
    }
    nobody = Membership(())
    assert decode_membership(nobody.encode()) == nobody
    # Nobody waits for an entry unless it says who.
    assert Entry(1, 1, EntryKind.COMMAND, b"").proposal == 0


def _entry(index: int, term: int, membership: Membership | None = None) -> Entry:
    if membership is not None:
        return Entry(index, term, EntryKind.MEMBERSHIP, membership.encode())
    return Entry(index, term, EntryKind.COMMAND, b"%d/%d" % (term, index))


@pytest.mark.parametrize("seed", range(60))
def test_the_log_does_what_a_list_would(seed: int) -> None:
    """Random merges of one leader's log after another, with compaction, against a plain list."""
    random = Random(seed)
    log = RaftLog(SnapshotMark(0, 0, Membership.of((1,))))
    model: list[int] = []  # Terms, from index 1 on.
    leader: list[int] = []
    sequence = term = commit = 0
    for _ in range(60):
        if random.random() < 0.3 or not term:
            # A new leader has at least what is committed; in its term its log only grows.
            term += 1
            leader = model[: random.randint(commit, len(model))]
        leader += [term] * random.randint(0, 3)
        start = random.randint(max(commit - 1, log.start), len(leader))
        end = random.randint(start, len(leader))
        entries = [_entry(index, leader[index - 1]) for index in range(start + 1, end + 1)]
        fits = start <= len(model) and model[:start] == leader[:start]
        assert log.merge(start, leader[start - 1] if start else 0, entries) is fits
        if fits and model[:end] != leader[:end]:
            model = leader[:end]
        assert [log.term_at(index) for index in range(log.start + 1, log.last_index + 1)] == (
            model[log.start :]
        ), f"seed {seed}"
        if random.random() < 0.5:
            sequence += 1
            log.take_unwritten(sequence)
        if random.random() < 0.5:
            log.writes_persisted(sequence)
            equal = [mine == theirs for mine, theirs in zip(model, leader, strict=False)]
            proven = equal.index(False) if False in equal else len(equal)
            log.commit_to(random.randint(commit, proven))
            commit = log.commit
            log.take_deliverable(100)
            log.applied_to(log.delivered)
            assert log.delivered <= min(commit, log.persisted) or log.delivered <= log.start
        if random.random() < 0.1:
            log.compact(log.applied)


def test_a_write_proves_nothing_of_what_has_replaced_its_entries() -> None:
    log = RaftLog(SnapshotMark(0, 0, Membership.of((1, 2, 3))))
    log.append([_entry(1, 1), _entry(2, 1), _entry(3, 1)])
    log.take_unwritten(1)
    log.merge(1, 1, [_entry(2, 2), _entry(3, 2)])
    log.writes_persisted(1)
    assert log.persisted == 1
    log.take_unwritten(2)
    log.writes_persisted(2)
    assert log.persisted == 3


def test_a_membership_is_in_force_until_its_entry_is_replaced() -> None:
    before, after = Membership.of((1, 2, 3)), Membership.of((1, 2))
    log = RaftLog(SnapshotMark(0, 0, before))
    log.append([_entry(1, 1), _entry(2, 1, after)])
    found = [(log.membership, log.previous_membership)]
    log.truncate(2)
    found.append((log.membership, log.previous_membership))
    assert found == [(after, before), (before, None)]


def test_a_snapshot_behind_what_is_committed_stops_the_member() -> None:
    log = RaftLog(SnapshotMark(0, 0, Membership.of((1,))), [_entry(1, 1), _entry(2, 1)])
    log.commit_to(2)
    with pytest.raises(InvariantViolatedError):
        log.restore(SnapshotMark(2, 1, Membership.of((1,))))


def test_a_follower_gets_one_message_while_probed_then_as_many_as_allowed() -> None:
    progress = Progress(next_index=5, in_flight_max=2)
    allowed = [progress.may_send]
    progress.sent(6, entries=True)
    allowed.append(progress.may_send)
    progress.matched(6)
    progress.replicate()
    progress.sent(7, entries=True)
    allowed.append(progress.may_send)
    progress.sent(8, entries=True)
    allowed.append(progress.may_send)
    progress.matched(7)
    assert [*allowed, progress.may_send] == [True, False, True, False, True]
    # An old refusal changes nothing, a new one starts over at the hint.
    assert not progress.refused(7, 3)
    assert progress.refused(9, 4)
    assert (progress.pace, progress.next) == (Pace.PROBE, 8)
