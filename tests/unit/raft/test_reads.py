"""Reads are answered once, by a leader that has proved to be one, or they are refused."""

from __future__ import annotations

from podraft.server.raft.core import RaftCore, Received
from podraft.server.raft.effects import Effects
from podraft.server.raft.events import Proposal, Proposed, ReadsRequested, Refusal
from podraft.server.raft.messages import (
    Append,
    Appended,
    AskRead,
    Declined,
    Heartbeat,
    HeartbeatAnswer,
)
from podraft.server.raft.options import RaftOptions
from support.raft_core import appended, elect, member, persist


def proved(core: RaftCore, effects: Effects) -> Effects:
    """Let member 2 answer the round that ``effects`` begins."""
    number = max(beat.round for beat in effects.messages_now if isinstance(beat, Heartbeat))
    return core.step(Received(HeartbeatAnswer(2, 1, core._member.term, number)))


def depose(core: RaftCore) -> Effects:
    log = core._log
    news = Append(2, 1, core._member.term + 1, log.commit, log.term_at(log.commit) or 0, (), 0)
    effects = core.step(Received(news))
    persist(core, effects)
    return effects


def all_of_two(core: RaftCore) -> Appended:
    """Return member 2's word that it has everything."""
    return Appended(2, 1, core._member.term, core._log.last_index)


def test_who_does_not_lead_declines_the_reads_of_others() -> None:
    core = member()
    effects = core.step(Received(AskRead(2, 1, (7, 8))))
    assert effects == Effects(messages_now=(Declined(1, 2, (7, 8), Refusal.NOT_LEADER),))


def test_a_read_that_came_before_the_first_commit_is_answered_once() -> None:
    core = member()
    persist(core, elect(core))
    assert core.step(ReadsRequested((7,))).reads == ()
    committed = core.step(Received(all_of_two(core)))
    answers = [proved(core, committed)]
    persist(core, core.step(Proposed((Proposal(0, b"x"),))))
    answers.append(core.step(Received(all_of_two(core))))
    number = core.step(ReadsRequested((8,)))
    answers.append(proved(core, number))
    assert [[ready.id for ready in effects.reads] for effects in answers] == [[7], [], [8]]


def test_a_deposed_leader_refuses_what_waits_and_forgets_it() -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, waiting_reads_max=3)
    core = member(options=options)

    # Before its first commit.
    persist(core, elect(core))
    core.step(ReadsRequested((1,)))
    core.step(Received(AskRead(3, 1, (2, 3))))
    deposed = depose(core)
    assert [(each.id, each.reason) for each in deposed.refused] == [(1, Refusal.DEPOSED)]
    assert [each for each in deposed.messages_now if isinstance(each, Declined)] == [
        Declined(1, 3, (2, 3), Refusal.DEPOSED)
    ]

    # Some while a round is under way, some that wait for the next.
    persist(core, elect(core))
    appended(core, core._log.last_index, 2)
    core.step(ReadsRequested((4,)))
    core.step(ReadsRequested((5,)))
    core.step(Received(AskRead(3, 1, (6,))))
    deposed = depose(core)
    assert sorted(each.id for each in deposed.refused) == [4, 5]
    assert [each.ids for each in deposed.messages_now if isinstance(each, Declined)] == [(6,)]

    # Leader once more: as many may wait as ever, and only they are answered.
    persist(core, elect(core))
    appended(core, core._log.last_index, 2)
    asked = core.step(ReadsRequested((7, 8, 9)))
    assert asked.refused == ()
    over = core.step(Received(AskRead(3, 1, (10,))))
    assert over.messages_now == (Declined(1, 3, (10,), Refusal.OVERLOADED),)
    answered = proved(core, asked)
    assert [ready.id for ready in answered.reads] == [7, 8, 9]
    assert not [each for each in answered.messages_now if not isinstance(each, Heartbeat)]
