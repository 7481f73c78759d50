"""Who gets a vote, who keeps one's patience, which answers count."""

from __future__ import annotations

import pytest

from podraft.server.raft.core import RaftCore, Received, Restored
from podraft.server.raft.effects import NOTHING
from podraft.server.raft.entries import HardState, Membership, SnapshotMark
from podraft.server.raft.events import Tick
from podraft.server.raft.member import Role
from podraft.server.raft.messages import AskVote, CampaignNow, Heartbeat, Vote
from support.raft_core import OPTIONS, THREE, elect, member, persist, ticks


class _MostRandom:
    """Always the largest number: the longest patience."""

    def randrange(self, stop: int, /) -> int:
        return stop - 1


def test_a_leader_is_protected_for_one_election_timeout_however_patient_a_member_is() -> None:
    core = RaftCore(1, Restored(SnapshotMark(0, 0, THREE)), OPTIONS, _MostRandom())
    core.step(Received(Heartbeat(2, 1, 1, 0, 0)))
    ask = Received(AskVote(3, 1, 2, 0, 0, pre=True))
    ticks(core, 4)
    assert core.step(ask) == NOTHING
    ticks(core, 1)
    assert core.step(ask).messages_now == (Vote(1, 3, 2, granted=True, pre=True),)


def test_a_pre_vote_for_a_term_in_which_one_has_voted_is_refused() -> None:
    core = member(term=5, vote=3)
    answers = [
        core.step(Received(AskVote(sender, 1, term, 0, 0, pre=True))).messages_now[0]
        for sender, term in ((2, 5), (3, 5), (2, 6))
    ]
    assert [answer.granted for answer in answers if isinstance(answer, Vote)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(("last_term", "waits"), [(0, False), (9, True)])
def test_patience_begins_anew_when_a_vote_is_given_and_only_then(
    last_term: int, waits: bool
) -> None:
    core = member(1, term=5)
    ticks(core, 4)
    core.step(Received(AskVote(2, 1, 5, 9, last_term)))
    assert (core.step(Tick()) == NOTHING) is waits
    if waits:
        assert ticks(core, 3) == NOTHING
        assert ticks(core, 1) != NOTHING


def test_answers_to_a_pre_vote_do_not_elect_a_candidate() -> None:
    core = member(membership=Membership.of((1, 2, 3, 4, 5)))
    ticks(core, 5)
    for voter in (2, 3):
        effects = core.step(Received(Vote(voter, 1, 1, granted=True, pre=True)))
    persist(core, effects)
    assert core._member.role is Role.CANDIDATE
    for voter in (4, 5):
        core.step(Received(Vote(voter, 1, 2, granted=True, pre=True)))
        core.step(Received(Vote(voter, 1, 1, granted=False, pre=True)))
    core.step(Received(Vote(2, 1, 1, granted=True)))
    roles = [core._member.role]
    core.step(Received(Vote(4, 1, 1, granted=True)))
    assert [*roles, core._member.role] == [Role.CANDIDATE, Role.LEADER]


def test_a_pre_vote_for_another_term_does_not_count() -> None:
    core = member(term=3)
    ticks(core, 5)
    core.step(Received(Vote(2, 1, 3, granted=True, pre=True)))
    roles = [core._member.role]
    core.step(Received(Vote(2, 1, 4, granted=True, pre=True)))
    assert [*roles, core._member.role] == [Role.PRE_CANDIDATE, Role.CANDIDATE]


def test_two_refusals_of_three_end_a_pre_campaign_at_once() -> None:
    core = member(term=3)
    ticks(core, 5)
    roles = []
    for voter in (2, 3):
        core.step(Received(Vote(voter, 1, 3, granted=False, pre=True)))
        roles.append(core._member.role)
    assert roles == [Role.PRE_CANDIDATE, Role.FOLLOWER]


def test_a_voter_is_counted_once() -> None:
    core = member(membership=Membership.of((1, 2, 3, 4, 5)), term=3)
    ticks(core, 5)
    for _ in range(3):
        core.step(Received(Vote(2, 1, 4, granted=True, pre=True)))
    assert core._member.role is Role.PRE_CANDIDATE


def test_only_a_voter_that_follows_takes_over() -> None:
    learner = RaftCore(
        4,
        Restored(SnapshotMark(0, 0, Membership.of((1, 2, 3), (4,))), HardState(1)),
        OPTIONS,
        _MostRandom(),
    )
    assert learner.step(Received(CampaignNow(2, 4, 1))) == NOTHING
    impatient = member(term=1)
    ticks(impatient, 5)
    assert impatient.step(Received(CampaignNow(2, 1, 1))) == NOTHING
    leader = member(term=1)
    persist(leader, elect(leader))
    assert leader.step(Received(CampaignNow(2, 1, 2))) == NOTHING
    found = (learner._member.role, impatient._member.role, leader._member.role)
    assert found == (Role.FOLLOWER, Role.PRE_CANDIDATE, Role.LEADER)


def test_a_learner_never_campaigns() -> None:
    core = member(membership=Membership.of((2, 3), (1,)))
    for _ in range(20):
        assert core.step(Tick()) == NOTHING
