"""Rules of the Raft paper and its dissertation, one by one, by section."""

from __future__ import annotations

import itertools

import pytest

from podraft.server.raft.core import RaftCore, Received, Restored
from podraft.server.raft.entries import (
    NOBODY,
    HardState,
    Membership,
    SnapshotMark,
)
from podraft.server.raft.errors import InvariantViolatedError
from podraft.server.raft.events import (
    ChangeProposed,
    Persisted,
    Promote,
    Proposal,
    Proposed,
    Refusal,
    Remove,
    Tick,
)
from podraft.server.raft.member import Role
from podraft.server.raft.messages import (
    Append,
    Appended,
    AppendRefused,
    AskVote,
    CampaignNow,
    CommitNews,
    Heartbeat,
    HeartbeatAnswer,
    Vote,
)
from podraft.server.raft.options import RaftOptions
from simulation.script import LeastRandom
from support.raft_core import FIVE, OPTIONS, THREE, appended, elect, entries, member, persist, ticks

# 5.1: terms.


@pytest.mark.parametrize("role", [Role.FOLLOWER, Role.PRE_CANDIDATE, Role.LEADER])
def test_5_1_a_later_term_makes_a_follower_of_any_role(role: Role) -> None:
    core = member(1)
    if role is Role.PRE_CANDIDATE:
        ticks(core, 5)
    elif role is Role.LEADER:
        elect(core)
    assert core._member.role is role
    effects = core.step(Received(Append(2, 1, 9, 1, 1, (), 0)))
    assert (core._member.role, core._member.term) == (Role.FOLLOWER, 9)
    assert effects.write is not None
    assert effects.write.hard_state == HardState(9, NOBODY)


def test_5_1_requests_of_earlier_terms_change_nothing_but_are_told_the_term() -> None:
    core = member(1, 3, term=3)
    effects = core.step(Received(Append(2, 1, 2, 0, 0, entries(2), 1)))
    assert core._log.last_term == 3
    assert effects.messages_now == (AppendRefused(1, 2, 3),)


# 5.2: elections.


def test_5_2_a_vote_is_given_once_in_a_term() -> None:
    core = member()
    first = core.step(Received(AskVote(2, 1, 1, 0, 0)))
    second = core.step(Received(AskVote(3, 1, 1, 0, 0)))
    again = core.step(Received(AskVote(2, 1, 1, 0, 0)))
    assert first.write is not None
    assert first.write.hard_state == HardState(1, 2)
    assert first.messages_after_persist == (Vote(1, 2, 1, granted=True),)
    assert second.messages_after_persist == (Vote(1, 3, 1, granted=False),)
    assert again.messages_after_persist == (Vote(1, 2, 1, granted=True),)


def test_5_2_a_vote_survives_a_restart() -> None:
    core = member(term=1, vote=2)
    effects = core.step(Received(AskVote(3, 1, 1, 0, 0)))
    assert effects.messages_after_persist == (Vote(1, 3, 1, granted=False),)


def test_5_2_the_own_vote_counts_only_when_it_is_durable() -> None:
    core = member(membership=Membership.of((1,)))
    effects = ticks(core, 5)
    roles = [core.status.role]
    persist(core, effects)
    assert [*roles, core.status.role] == [Role.CANDIDATE, Role.LEADER]


@pytest.mark.parametrize(
    ("refusals", "role"), [(0, Role.LEADER), (2, Role.LEADER), (3, Role.FOLLOWER)]
)
def test_5_2_a_majority_decides(refusals: int, role: Role) -> None:
    core = member(membership=FIVE)
    ticks(core, 5)
    for voter in (2, 3):
        effects = core.step(Received(Vote(voter, 1, 1, granted=True, pre=True)))
    persist(core, effects)
    for voter in (2, 3, 4, 5):
        core.step(Received(Vote(voter, 1, 1, granted=voter > refusals + 1)))
    assert core._member.role is role


def test_5_2_two_leaders_in_one_term_stop_the_member() -> None:
    core = member(1)
    core.step(Received(Heartbeat(2, 1, 1, 0, 1)))
    with pytest.raises(InvariantViolatedError, match="both lead in term 1"):
        core.step(Received(Heartbeat(3, 1, 1, 0, 1)))


# 5.3: replication.


@pytest.mark.parametrize(
    ("previous", "accepted"), [((0, 0), True), ((3, 2), True), ((3, 1), False), ((5, 2), False)]
)
def test_5_3_entries_are_taken_only_behind_an_equal_one(
    previous: tuple[int, int], accepted: bool
) -> None:
    core = member(1, 1, 2)
    effects = core.step(Received(Append(2, 1, 2, *previous, (), 0)))
    (answer,) = effects.messages_after_persist
    assert isinstance(answer, Appended if accepted else AppendRefused)


def test_5_3_a_follower_acknowledges_only_what_the_message_proves() -> None:
    core = member(1, 1, 2)
    effects = core.step(Received(Append(2, 1, 3, 1, 1, (), 3)))
    assert effects.messages_after_persist == (Appended(1, 2, 3, 1),)
    assert core._log.commit == 1


@pytest.mark.parametrize(
    "mine",
    [  # The paper's figure 7, a to f.
        (1, 1, 1, 4, 4, 5, 5, 6, 6),
        (1, 1, 1, 4),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
        (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
        (1, 1, 1, 4, 4, 4, 4),
        (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
    ],
)
def test_5_3_every_follower_of_figure_7_becomes_equal(mine: tuple[int, ...]) -> None:
    leader = member(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, term=7)
    elect(leader)
    mark = SnapshotMark(0, 0, THREE)
    follower = RaftCore(2, Restored(mark, HardState(7), entries(*mine)), OPTIONS, LeastRandom())
    outbox = list(leader.step(Tick()).messages_now)
    rounds = 0
    while outbox and rounds < 40:
        rounds += 1
        message = outbox.pop(0)
        if message.to == 3:
            continue
        core = leader if message.to == 1 else follower
        effects = core.step(Received(message))
        if effects.write is not None:
            effects_after = core.step(Persisted(effects.write.sequence))
            outbox += effects_after.messages_now
        outbox += [*effects.messages_now, *effects.messages_after_persist]
    wanted = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]
    assert [follower._log.term_at(index) for index in range(1, 12)] == wanted
    assert follower._log.last_index == 11


def test_5_3_an_old_message_cuts_nothing_off() -> None:
    core = member(term=1)
    core.step(Received(Append(2, 1, 1, 0, 0, entries(1, 1, 1), 0)))
    core.step(Received(Append(2, 1, 1, 0, 0, entries(1), 0)))
    assert core._log.last_index == 3


def test_5_3_replacing_a_committed_entry_stops_the_member() -> None:
    core = member(1, 1)
    core.step(Received(Append(2, 1, 1, 2, 1, (), 2)))
    with pytest.raises(InvariantViolatedError, match="2 is committed"):
        core._log.truncate(2)


def test_5_3_an_acknowledgement_waits_for_the_disk() -> None:
    core = member()
    effects = core.step(Received(Append(2, 1, 1, 0, 0, entries(1), 1)))
    assert effects.messages_now == ()
    assert effects.messages_after_persist == (Appended(1, 2, 1, 1),)
    assert effects.committed == ()
    assert persist(core, effects).committed == entries(1)


# 5.4: safety.


@pytest.mark.parametrize(
    ("last", "granted"),
    [((3, 2), True), ((4, 2), True), ((1, 3), True), ((2, 2), False), ((9, 1), False)],
)
def test_5_4_1_a_vote_needs_a_log_that_is_up_to_date(last: tuple[int, int], granted: bool) -> None:
    core = member(1, 2, 2)
    effects = core.step(Received(AskVote(2, 1, 4, *last)))
    assert effects.messages_after_persist == (Vote(1, 2, 4, granted=granted),)


def test_5_4_2_an_entry_of_an_earlier_term_is_not_committed_by_counting() -> None:
    core = member(1, 2)
    own = elect(core)
    core.step(Received(Appended(2, 1, core._member.term, 2)))
    core.step(Received(Appended(3, 1, core._member.term, 2)))
    assert core._log.commit == 0
    core.step(Received(Appended(2, 1, core._member.term, 3)))
    assert core._log.commit == 0  # The own copy is not durable yet.
    assert [entry.index for entry in persist(core, own).committed] == [1, 2, 3]


# 6.4 of the dissertation: reads; 6.2: check quorum; 9.6: pre-vote.


def test_9_6_a_pre_vote_changes_neither_term_nor_vote() -> None:
    core = member(1)
    effects = core.step(Received(AskVote(2, 1, 7, 1, 1, pre=True)))
    assert effects.write is None
    assert effects.messages_now == (Vote(1, 2, 7, granted=True, pre=True),)
    assert core._member.term == 1


def test_6_2_a_leader_without_a_majority_steps_down_and_says_what_it_dropped() -> None:
    core = member()
    elect(core)
    refused = [refusal for _ in range(12) for refusal in core.step(Tick()).refused]
    assert core._member.role is Role.FOLLOWER
    assert refused == []
    effects = core.step(Proposed((Proposal(7, b"x"),)))
    assert [item.reason for item in effects.refused] == [Refusal.NO_LEADER]


def test_6_2_a_leader_that_is_heard_stays() -> None:
    core = member()
    elect(core)
    for _ in range(30):
        core.step(Tick())
        core.step(Received(HeartbeatAnswer(2, 1, 1, 0)))
    assert core._member.role is Role.LEADER


def test_what_waits_is_bounded() -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, uncommitted_entries_max=3)
    core = member(options=options)
    elect(core)
    refused = [
        refusal.reason
        for number in range(1, 5)
        for refusal in core.step(Proposed((Proposal(number, b"x"),))).refused
    ]
    assert refused == [Refusal.OVERLOADED, Refusal.OVERLOADED]


def asked_in(core: RaftCore, count: int) -> list[tuple[int, bool]]:
    """Return whom the member asks for a vote within ``count`` ticks, and if only in advance."""
    asked = []
    for _ in range(count):
        effects = core.step(Tick())
        messages = (*effects.messages_now, *effects.messages_after_persist)
        asked += [(ask.to, ask.pre) for ask in messages if isinstance(ask, AskVote)]
    return asked


def test_5_2_who_has_not_answered_a_campaign_is_asked_again_before_patience_ends() -> None:
    # Its question may have been lost, or come before it missed the leader itself.
    core = member(1, membership=FIVE, options=RaftOptions(election_ticks=10, heartbeat_ticks=2))
    ticks(core, 10)
    core.step(Received(Vote(2, 1, 2, granted=True, pre=True)))
    assert asked_in(core, 1) == []
    assert asked_in(core, 1) == [(3, True), (4, True), (5, True)]
    assert asked_in(core, 1) == []
    assert asked_in(core, 1) == [(3, True), (4, True), (5, True)]
    persist(core, core.step(Received(Vote(4, 1, 2, granted=True, pre=True))))
    core.step(Received(Vote(5, 1, 2, granted=False)))
    assert asked_in(core, 2) == [(2, False), (3, False), (4, False)]
    core.step(Received(Vote(2, 1, 2, granted=True)))
    core.step(Received(Vote(3, 1, 2, granted=True)))
    assert core._member.role is Role.LEADER
    assert asked_in(core, 4) == []


def heartbeats_in(core: RaftCore, count: int) -> list[int]:
    """Return in which of ``count`` ticks the leader sends heartbeats; its followers answer."""
    beats = []
    for number in range(1, count + 1):
        messages = core.step(Tick()).messages_now
        if any(isinstance(message, Heartbeat) for message in messages):
            beats.append(number)
        for voter in core._log.membership.voters[1:]:
            core.step(Received(HeartbeatAnswer(voter, 1, core._member.term, 0)))
    return beats


def test_5_2_a_leader_sends_heartbeats_at_equal_intervals() -> None:
    core = member(options=RaftOptions(election_ticks=5, heartbeat_ticks=3))
    elect(core)
    beats = heartbeats_in(core, 20)
    assert {later - earlier for earlier, later in itertools.pairwise(beats)} == {3}
    assert beats[0] <= 3


@pytest.mark.parametrize(("heard", "stays"), [((2,), False), ((2, 3), True), ((2, 4, 5), True)])
def test_6_2_a_leader_of_five_must_hear_two_others_in_each_election_timeout(
    heard: tuple[int, ...], stays: bool
) -> None:
    core = member(membership=FIVE)
    elect(core)
    # Whoever answered before it led, or in an earlier interval, does not count.
    for _ in range(11):
        core.step(Tick())
        for voter in heard:
            core.step(Received(HeartbeatAnswer(voter, 1, core._member.term, 0)))
    assert (core._member.role is Role.LEADER) is stays


def test_6_2_answers_of_one_interval_do_not_count_in_the_next() -> None:
    core = member()
    elect(core)
    core.step(Received(HeartbeatAnswer(2, 1, core._member.term, 0)))
    roles = []
    for count in (5, 4, 1):
        ticks(core, count)
        roles.append(core._member.role)
    assert roles == [Role.LEADER, Role.LEADER, Role.FOLLOWER]


def test_6_2_learners_do_not_keep_a_leader() -> None:
    core = member(membership=Membership.of((1, 2, 3), (4, 5)))
    elect(core)
    for _ in range(11):
        core.step(Tick())
        for learner in (4, 5):
            core.step(Received(HeartbeatAnswer(learner, 1, core._member.term, 0)))
    assert core._member.role is Role.FOLLOWER


def test_a_leader_that_steps_down_remembers_nothing_of_its_followers() -> None:
    core = member()
    persist(core, elect(core))
    core.step(Received(Appended(2, 1, core._member.term, 1)))
    assert core.unannounced
    ticks(core, 10)
    assert (core._member.peers, core.unannounced) == ({}, False)


def test_4_2_2_a_leader_that_is_removed_leads_until_that_is_committed() -> None:
    core = member()
    elect(core)
    appended(core, 1, 2, 3)
    core.step(Proposed((Proposal(7, b"x"),)))
    core.step(ChangeProposed(8, Remove(1)))
    appended(core, 2, 2, 3)
    assert (core._log.commit, core._member.role, core._log.membership_index) == (2, Role.LEADER, 3)
    sent = appended(core, 3, 2, 3)
    assert (core._log.commit, core._member.role) == (3, Role.FOLLOWER)
    assert [message.to for message in sent if isinstance(message, CampaignNow)] in ([2], [3])


def test_4_1_a_removed_follower_is_served_until_that_is_committed() -> None:
    core = member()
    persist(core, elect(core))
    appended(core, 1, 2, 3)
    core.step(Proposed((Proposal(7, b"x"),)))
    persist(core, core.step(ChangeProposed(8, Remove(3))))
    appended(core, 2, 2)
    assert (core._log.commit, sorted(core._member.peers)) == (2, [2, 3])
    sent = appended(core, 3, 2)
    assert [message.to for message in sent if isinstance(message, CommitNews)] == [2, 3]
    assert sorted(core._member.peers) == [2]


@pytest.mark.parametrize(("match", "reasons"), [(2, [Refusal.NOT_CAUGHT_UP]), (3, []), (5, [])])
def test_4_2_1_a_learner_may_lack_a_little_when_it_becomes_a_voter(
    match: int, reasons: list[Refusal]
) -> None:
    options = RaftOptions(election_ticks=5, heartbeat_ticks=1, promotion_lag_max=2)
    core = member(membership=Membership.of((1, 2, 3), (4,)), options=options)
    persist(core, elect(core))
    for number in range(4):
        persist(core, core.step(Proposed((Proposal(number, b"x"),))))
    appended(core, 5, 2, 3)
    appended(core, match, 4)
    effects = core.step(ChangeProposed(8, Promote(4)))
    assert [refused.reason for refused in effects.refused] == reasons
