"""What a leader begins with, whom it serves, what it lets wait."""

from __future__ import annotations

import pytest

from podraft.server.raft.core import RaftCore, Received, Restored
from podraft.server.raft.entries import Entry, EntryKind, HardState, Membership, SnapshotMark
from podraft.server.raft.events import Proposal, Proposed, ReadsRequested, Refusal
from podraft.server.raft.member import Role
from podraft.server.raft.messages import (
    Append,
    AskRead,
    CampaignNow,
    CommitNews,
    Heartbeat,
    HeartbeatAnswer,
    ReadAnswer,
    Vote,
)
from podraft.server.raft.options import RaftOptions
from simulation.script import LeastRandom
from support.raft_core import OPTIONS, appended, elect, member, persist, ticks


def refusals(core: RaftCore, *payloads: bytes) -> list[Refusal]:
    proposals = tuple(Proposal(number, payload) for number, payload in enumerate(payloads, 1))
    return [refused.reason for refused in core.step(Proposed(proposals)).refused]


def test_uncommitted_bytes_are_bounded_and_a_commit_makes_room() -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, uncommitted_bytes_max=10)
    core = member(options=options)
    persist(core, elect(core))
    appended(core, 1, 2)
    assert refusals(core, b"123456") == []
    assert refusals(core, b"12345") == [Refusal.OVERLOADED]
    assert refusals(core, b"1234") == []
    assert refusals(core, b"1") == [Refusal.OVERLOADED]
    appended(core, 2, 2, 3)
    assert refusals(core, b"123456") == []
    assert refusals(core, b"1") == [Refusal.OVERLOADED]
    appended(core, 4, 2, 3)
    # However large it is: alone it may always go.
    assert refusals(core, bytes(1_000)) == []
    appended(core, 5, 2, 3)
    assert refusals(core, b"1234567890", b"") == []


def test_a_new_leader_counts_its_own_uncommitted_bytes_only() -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, uncommitted_bytes_max=10)
    core = member(options=options)
    persist(core, elect(core))
    appended(core, 1, 2)
    assert refusals(core, b"1234567890") == []
    core.step(Received(Append(2, 1, 2, 1, 1, (), 1)))
    persist(core, elect(core))
    assert core._member.role is Role.LEADER
    assert refusals(core, b"1234567890") == []


@pytest.mark.parametrize(("count", "expected"), [(2, []), (3, [Refusal.OVERLOADED] * 3)])
def test_uncommitted_entries_are_bounded_as_a_whole(count: int, expected: list[Refusal]) -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, uncommitted_entries_max=3)
    core = member(options=options)
    persist(core, elect(core))
    assert refusals(core, *[b"x"] * count) == expected


def test_a_leader_serves_who_is_removed_by_a_change_that_is_not_committed() -> None:
    change = Entry(2, 1, EntryKind.MEMBERSHIP, Membership.of((1, 2)).encode())
    entries = (Entry(1, 1, EntryKind.COMMAND, b""), change)
    restored = Restored(SnapshotMark(0, 0, Membership.of((1, 2, 3))), HardState(1), entries)
    core = RaftCore(1, restored, OPTIONS, LeastRandom())
    elect(core)
    assert sorted(core._member.peers) == [2, 3]
    committed = Restored(restored.mark, restored.hard_state, entries, applied=2)
    core = RaftCore(1, committed, OPTIONS, LeastRandom())
    elect(core)
    assert sorted(core._member.peers) == [2]


def test_a_leadership_begins_to_count_its_silence_when_it_begins() -> None:
    core = member(1)
    persist(core, core.step(Received(CampaignNow(2, 1, 1))))
    ticks(core, 3)
    core.step(Received(Vote(2, 1, 2, granted=True)))
    roles = []
    for _ in range(10):
        ticks(core, 1)
        roles.append(core._member.role)
    # Everybody counts as heard at first, and then for one interval each time.
    assert roles == [Role.LEADER] * 9 + [Role.FOLLOWER]


def test_there_is_nothing_to_announce_before_something_is_committed() -> None:
    core = member()
    assert not core.unannounced
    persist(core, elect(core))
    assert not core.unannounced
    appended(core, 1, 2)
    assert core.unannounced


def test_a_heartbeat_tells_a_follower_of_no_commit_beyond_what_it_is_known_to_have() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2)
    persist(core, core.step(Proposed((Proposal(1, b"x"),))))
    appended(core, 2, 2)
    assert core._log.commit == 2
    beats = core.step(ReadsRequested((7,))).messages_now
    told = {beat.to: beat.commit for beat in beats if isinstance(beat, Heartbeat)}
    assert told == {2: 2, 3: 0}


def test_a_read_waits_for_a_round_that_began_after_it() -> None:
    core = member(membership=Membership.of((1, 2, 3, 4, 5)))
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    first = core.step(ReadsRequested((7,)))
    rounds = {beat.round for beat in first.messages_now if isinstance(beat, Heartbeat)}
    (number,) = rounds
    # It came while a round was under way, so it waits for the next one.
    assert core.step(ReadsRequested((8,))).messages_now == ()
    answers = [
        core.step(Received(HeartbeatAnswer(peer, 1, 1, round_)))
        for peer, round_ in ((2, number - 1), (3, number - 1), (2, number), (2, number))
    ]
    assert [effects.reads for effects in answers] == [()] * 4
    proved = core.step(Received(HeartbeatAnswer(3, 1, 1, number)))
    assert [(ready.id, ready.index) for ready in proved.reads] == [(7, 1)]
    assert {beat.round for beat in proved.messages_now if isinstance(beat, Heartbeat)} == {
        number + 1
    }


def test_a_follower_that_asked_learns_the_commit_that_its_read_needs() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    persist(core, core.step(Proposed((Proposal(1, b"x"),))))
    assert not [message for message in appended(core, 2, 3) if message.to == 2]
    beats = core.step(Received(AskRead(2, 1, (7,)))).messages_now
    number = max(beat.round for beat in beats if isinstance(beat, Heartbeat))
    sent = core.step(Received(HeartbeatAnswer(3, 1, 1, number))).messages_now
    assert sent == (CommitNews(1, 2, 1, 2, 1, 2), ReadAnswer(1, 2, (7,), 2))


@pytest.mark.parametrize(("waiting_max", "refused"), [(2, 1), (3, 0)])
def test_waiting_reads_are_bounded(waiting_max: int, refused: int) -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, waiting_reads_max=waiting_max)
    core = member(options=options)
    persist(core, elect(core))
    appended(core, 1, 2)
    effects = [core.step(ReadsRequested(ids)) for ids in ((1, 2), (3,))]
    assert [len(step.refused) for step in effects] == [0, refused]
    number = max(beat.round for beat in effects[0].messages_now if isinstance(beat, Heartbeat))
    for round_ in (number, number + 1):
        core.step(Received(HeartbeatAnswer(2, 1, 1, round_)))
    # Those that were answered wait no more.
    assert core.step(ReadsRequested((4, 5))).refused == ()
