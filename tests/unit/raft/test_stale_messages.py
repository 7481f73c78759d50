"""Messages of earlier terms and campaigns, and those for which nobody waits."""

from __future__ import annotations

import pytest

from podraft.server.raft.core import RaftCore, Received
from podraft.server.raft.effects import NOTHING, Effects
from podraft.server.raft.entries import Membership
from podraft.server.raft.events import Proposal, Proposed, Tick, TransferLeadership
from podraft.server.raft.member import Role
from podraft.server.raft.messages import (
    Appended,
    AskVote,
    CampaignNow,
    Heartbeat,
    HeartbeatAnswer,
    Message,
    Vote,
)
from support.raft_core import FIVE, appended, elect, member, persist, ticks


def campaigning(term: int, membership: Membership = FIVE) -> RaftCore:
    """Return a candidate of ``term`` that has its own vote."""
    core = member(1, term=term - 1, membership=membership)
    effects = core.step(Received(CampaignNow(2, 1, term - 1)))
    persist(core, effects)
    assert (core._member.role, core._member.term) == (Role.CANDIDATE, term)
    return core


def test_votes_of_an_earlier_campaign_do_not_count() -> None:
    core = campaigning(5)
    for voter in (2, 3, 4, 5):
        assert core.step(Received(Vote(voter, 1, 4, granted=True))) == NOTHING
    assert core._member.role is Role.CANDIDATE


def test_a_vote_asked_for_in_an_earlier_term_is_not_given() -> None:
    core = member(1, term=5)
    assert core.step(Received(AskVote(2, 1, 4, 9, 4))) == NOTHING
    assert core.step(Received(AskVote(2, 1, 5, 9, 4))).messages_after_persist == (
        Vote(1, 2, 5, granted=True),
    )


def test_who_is_behind_learns_the_term_from_its_pre_vote() -> None:
    core = member(1, term=5)
    effects = core.step(Received(AskVote(2, 1, 4, 9, 4, pre=True)))
    assert effects == Effects(messages_now=(Vote(1, 2, 5, granted=False, pre=True),))


def test_a_leader_of_an_earlier_term_tells_nobody_to_campaign() -> None:
    core = member(1, term=5)
    assert core.step(Received(CampaignNow(2, 1, 4))) == NOTHING
    assert (core._member.role, core._member.term) == (Role.FOLLOWER, 5)


def test_acknowledgements_of_an_earlier_leadership_commit_nothing() -> None:
    core = member(1, term=4)
    persist(core, elect(core))
    last = core._log.last_index
    for follower in (2, 3):
        assert core.step(Received(Appended(follower, 1, 4, last))) == NOTHING
    assert core._log.commit == 0
    appended(core, last, 2)
    assert core._log.commit == last


@pytest.mark.parametrize("answer", [Appended(2, 1, 1, 1), HeartbeatAnswer(2, 1, 1, 1)])
def test_who_does_not_lead_takes_no_answers(answer: Message) -> None:
    core = member(1)
    assert core.step(Received(answer)) == NOTHING


def test_a_follower_that_hears_its_leader_never_campaigns() -> None:
    core = member(1)
    for _ in range(40):
        assert core.step(Tick()) == NOTHING
        core.step(Received(Heartbeat(2, 1, 1, 0, 0)))
    assert core._member.leader == 2


def test_a_follower_waits_a_whole_election_timeout_for_a_new_leader() -> None:
    core = member(1)
    ticks(core, 4)
    core.step(Received(Heartbeat(2, 1, 2, 0, 0)))
    assert ticks(core, 4) == NOTHING
    assert [message.to for message in ticks(core, 1).messages_now] == [2, 3]


def test_a_candidate_gives_its_campaign_a_whole_election_timeout() -> None:
    core = member(1)
    ticks(core, 4)
    core.step(Received(CampaignNow(2, 1, 1)))
    asked = [core.step(Tick()).messages_after_persist for _ in range(4)]
    assert all(isinstance(ask, AskVote) and not ask.pre for sent in asked for ask in sent)
    roles = [core._member.role]
    ticks(core, 1)
    assert [*roles, core._member.role] == [Role.CANDIDATE, Role.PRE_CANDIDATE]


def test_a_lost_call_to_campaign_is_made_again_when_the_target_answers() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    first = core.step(TransferLeadership(7, 2)).messages_now
    other = core.step(Received(HeartbeatAnswer(3, 1, 1, 1))).messages_now
    again = core.step(Received(HeartbeatAnswer(2, 1, 1, 1))).messages_now
    assert (first, other, again) == ((CampaignNow(1, 2, 1),), (), (CampaignNow(1, 2, 1),))


def test_a_target_is_called_when_it_has_everything_and_not_before() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    persist(core, core.step(Proposed((Proposal(7, b"x"),))))
    assert core.step(TransferLeadership(8, 2)).messages_now == ()
    assert not [call for call in appended(core, 2, 3) if isinstance(call, CampaignNow)]
    assert [call for call in appended(core, 2, 2) if isinstance(call, CampaignNow)] == [
        CampaignNow(1, 2, 1)
    ]


def test_who_has_lost_an_election_waits_a_whole_timeout_before_the_next() -> None:
    core = campaigning(2, Membership.of((1, 2, 3)))
    ticks(core, 3)
    for voter in (2, 3):
        core.step(Received(Vote(voter, 1, 2, granted=False)))
    assert core._member.role is Role.FOLLOWER
    assert ticks(core, 4) == NOTHING
    assert [message.to for message in ticks(core, 1).messages_now] == [2, 3]
