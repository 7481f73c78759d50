"""What a leader sends to a follower that loses, lags, or is slow; what old messages change."""

from __future__ import annotations

import pytest

from podraft.server.raft.core import RaftCore, Received
from podraft.server.raft.effects import NOTHING, SendSnapshot
from podraft.server.raft.entries import Entry, EntryKind, SnapshotMark
from podraft.server.raft.events import (
    AnnounceCommit,
    Applied,
    Compacted,
    Proposal,
    Proposed,
    Refusal,
    SnapshotSent,
    Tick,
)
from podraft.server.raft.member import Role
from podraft.server.raft.messages import (
    Append,
    Appended,
    AppendRefused,
    CommitNews,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
    Message,
)
from podraft.server.raft.options import RaftOptions
from podraft.server.raft.progress import Pace
from support.raft_core import OPTIONS, THREE, appended, elect, entries, member, persist, ticks


def propose(core: RaftCore, *payloads: bytes) -> list[Message]:
    """Propose, make it durable here; return what leaves at once."""
    effects = core.step(Proposed(tuple(Proposal(0, payload) for payload in payloads)))
    persist(core, effects)
    return list(effects.messages_now)


def sent_to(peer: int, messages: tuple[Message, ...] | list[Message]) -> list[Message]:
    return [message for message in messages if message.to == peer]


def answer_heartbeat(core: RaftCore, peer: int) -> list[Message]:
    answer = HeartbeatAnswer(peer, 1, core._member.term, 1)
    return sent_to(peer, core.step(Received(answer)).messages_now)


def leader_with_a_lagging_follower(options: RaftOptions = OPTIONS) -> RaftCore:
    """Return a leader of 4 entries, compacted up to 3; member 3 is known to have the first."""
    core = member(options=options)
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    for index, payload in enumerate((b"a", b"b", b"c"), 2):
        propose(core, payload)
        appended(core, index, 2)
    core.step(Applied(4))
    core.step(Compacted(3))
    return core


def test_a_leader_begins_with_an_entry_for_which_nobody_waits() -> None:
    core = member()
    elect(core)
    assert core._log.entry(1) == Entry(1, 1, EntryKind.EMPTY, b"", 0)


def test_lost_entries_are_sent_again_when_the_follower_answers_a_heartbeat() -> None:
    core = member()
    first = sent_to(3, elect(core).messages_now)
    assert len(first) == 1
    assert answer_heartbeat(core, 3) == first
    # One message at a time, until it is known where the logs are equal.
    assert sent_to(3, propose(core, b"a")) == []
    (again,) = answer_heartbeat(core, 3)
    assert isinstance(again, Append)
    assert [entry.index for entry in again.entries] == [1, 2]


def test_one_snapshot_is_asked_for_when_what_a_follower_needs_is_compacted() -> None:
    core = leader_with_a_lagging_follower()
    effects = core.step(Received(AppendRefused(3, 1, 1, 4, 1, 1)))
    assert effects.snapshots == (SendSnapshot(3, 1),)
    assert sent_to(3, effects.messages_now) == []
    # Until its fate is known nothing else is sent, and no second one.
    assert sent_to(3, propose(core, b"d")) == []
    assert core.step(Received(HeartbeatAnswer(3, 1, 1, 1))) == NOTHING
    assert core.step(Received(Appended(3, 1, 1, 1))) == NOTHING


def test_a_probe_that_would_begin_in_what_is_compacted_becomes_a_snapshot() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2)
    core.step(Applied(1))
    propose(core, b"a")
    appended(core, 2, 2)
    core.step(Applied(2))
    core.step(Compacted(2))
    # Its only message was lost, and all that was in it is compacted.
    effects = core.step(Received(HeartbeatAnswer(3, 1, 1, 1)))
    assert (effects.snapshots, effects.messages_now) == ((SendSnapshot(3, 1),), ())
    assert core._member.peers[3].pace is Pace.SNAPSHOT


def test_after_a_snapshot_the_follower_is_felt_for_at_its_end_and_then_served_in_full() -> None:
    core = leader_with_a_lagging_follower()
    core.step(Received(AppendRefused(3, 1, 1, 4, 1, 1)))
    core.step(SnapshotSent(3, SnapshotMark(3, 1, THREE)))
    # Installing takes time: the next occasion is a heartbeat's answer.
    assert sent_to(3, propose(core, b"d")) == []
    (probe,) = answer_heartbeat(core, 3)
    assert isinstance(probe, Append)
    assert (probe.previous_index, [entry.index for entry in probe.entries]) == (3, [4, 5])
    core.step(Received(Appended(3, 1, 1, 5)))
    assert [len(sent_to(3, propose(core, payload))) for payload in (b"e", b"f")] == [1, 1]


def test_a_snapshot_that_did_not_arrive_is_followed_by_another() -> None:
    core = leader_with_a_lagging_follower()
    core.step(Received(AppendRefused(3, 1, 1, 4, 1, 1)))
    core.step(SnapshotSent(3, None))
    again = core.step(Received(HeartbeatAnswer(3, 1, 1, 1)))
    assert again.snapshots == (SendSnapshot(3, 1),)


def test_a_probe_that_proves_nothing_new_starts_the_pipeline_an_old_answer_does_not() -> None:
    core = leader_with_a_lagging_follower()
    core.step(Received(AppendRefused(3, 1, 1, 4, 1, 1)))
    # The follower has the whole log by the snapshot, which the leader learns from it.
    core.step(SnapshotSent(3, SnapshotMark(4, 1, THREE)))
    core.step(Received(Appended(3, 1, 1, 4)))
    core.step(Received(AppendRefused(3, 1, 1, 5, 4, 1)))
    core._member.peers[3].probe()
    core.step(Received(Appended(3, 1, 1, 1)))
    assert core._member.peers[3].pace is Pace.PROBE
    (probe,) = answer_heartbeat(core, 3)
    assert probe == Append(1, 3, 1, 4, 1, (), 4)
    core.step(Received(Appended(3, 1, 1, 4)))
    assert [len(sent_to(3, propose(core, payload))) for payload in (b"e", b"f")] == [1, 1]


def test_no_news_of_a_commit_is_sent_to_whom_the_leader_cannot_say_where_its_log_ends() -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, in_flight_max=1)
    core = leader_with_a_lagging_follower(options)
    assert core._member.peers[3].pace is Pace.REPLICATE
    assert sent_to(3, core.step(AnnounceCommit()).messages_now) == []


def test_a_commit_is_not_announced_to_whom_a_heartbeat_or_an_append_has_told() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    propose(core, b"a")
    appended(core, 2, 2, 3)
    beats = core.step(Tick()).messages_now
    assert {(beat.to, beat.commit) for beat in beats if isinstance(beat, Heartbeat)} == {
        (2, 2),
        (3, 2),
    }
    assert core.step(AnnounceCommit()) == NOTHING
    # Told of 3 with entry 4, of which a heartbeat knows nothing yet.
    propose(core, b"b")
    appended(core, 3, 2)
    propose(core, b"c")
    core.step(Tick())
    assert core.step(AnnounceCommit()) == NOTHING


@pytest.mark.parametrize("answer", [Appended(2, 1, 1, 1), AppendRefused(2, 1, 1, 1, 0, 0)])
def test_every_answer_is_a_sign_of_life(answer: Message) -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    for _ in range(4):
        ticks(core, 5)
        assert core._member.role is Role.LEADER
        core.step(Received(answer))
    ticks(core, 10)
    assert core._member.role is Role.FOLLOWER


def test_bytes_of_earlier_terms_make_no_room_for_more_when_they_are_committed() -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, uncommitted_bytes_max=10)
    core = member(1, 1, 1, options=options)
    persist(core, elect(core))
    appended(core, core._log.last_index, 2)
    assert core._log.commit == core._log.last_index
    propose(core, bytes(10))
    refused = core.step(Proposed((Proposal(7, b"x"),))).refused
    assert [each.reason for each in refused] == [Refusal.OVERLOADED]


# The follower's side.


def follower_compacted_to_two() -> RaftCore:
    core = member(1, 1, 1)
    core.step(Received(Append(2, 1, 1, 3, 1, (), 3)))
    core.step(Applied(3))
    core.step(Compacted(2))
    return core


def test_of_an_old_message_only_what_is_not_committed_is_taken() -> None:
    core = follower_compacted_to_two()
    old = core.step(Received(Append(2, 1, 1, 0, 0, entries(1, 1), 2)))
    assert old.messages_after_persist == (Appended(1, 2, 1, 3),)
    new = core.step(Received(Append(2, 1, 1, 1, 1, entries(1, 1, 1, 1, first=2), 2)))
    assert new.write is not None
    assert new.write.entries == entries(1, 1, first=4)
    assert new.messages_after_persist == (Appended(1, 2, 1, 5),)


def test_old_news_of_a_commit_is_answered_by_nothing() -> None:
    core = follower_compacted_to_two()
    assert core.step(Received(CommitNews(2, 1, 1, 1, 1, 1))) == NOTHING


def test_a_snapshot_of_what_the_log_holds_commits_it_and_replaces_nothing() -> None:
    core = member(1, 1, 1)
    effects = core.step(Received(InstallSnapshot(2, 1, 1, SnapshotMark(2, 1, THREE))))
    assert effects.write is None
    assert effects.committed == entries(1, 1)
    assert effects.messages_after_persist == (Appended(1, 2, 1, 2),)
    assert (core._log.start, core._log.last_index) == (0, 3)
