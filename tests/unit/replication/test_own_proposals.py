"""What becomes of proposals whose way to the leader breaks, and how batches leave."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

from podraft.server.raft import events as raft
from podraft.server.raft.events import Refusal
from podraft.server.raft.status import Leadership
from podraft.server.replication.core.effects import After, Gather, MemberEffect, Unanswered
from podraft.server.replication.core.events import PatienceLost
from podraft.server.replication.core.own_proposals import BatchBounds, OwnProposals
from podraft.server.replication.faults import NoLeaderError, OutcomeUnknownError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import StoreOverloadedError, Transaction

LEADER, OTHER = 2, 3
ANSWER_S = 5.0
_PLAIN = Transaction((), ())


@dataclass(frozen=True, slots=True)
class Wanted:
    payload: bytes
    transaction: Transaction = _PLAIN


def repeatable(payload: bytes) -> Wanted:
    return Wanted(payload, Transaction((), (), request=b"r" * 16))


class Asked:
    """Member 1, what it offers, and a shell in which gathering ends at once."""

    def __init__(self, options: MemberOptions | None = None, bounds: BatchBounds | None = None):
        self.effects: list[MemberEffect] = []
        self.offered: list[list[bytes]] = []
        self.numbers: list[list[int]] = []
        self.reachable = True
        self.proposals = OwnProposals(
            1,
            itertools.count(1),
            options or replace(MemberOptions(), answer_s=ANSWER_S),
            bounds or BatchBounds(1_000, 1_000_000),
            emit=self.effects.append,
            offer=self._take,
        )
        self.proposals.led(Leadership(1, LEADER))

    def _take(self, batch: tuple[raft.Proposal, ...]) -> None:
        if self.reachable:
            self.offered.append([proposal.payload for proposal in batch])
            self.numbers.append([proposal.id for proposal in batch])
        else:
            self.proposals.undelivered([proposal.id for proposal in batch])

    def propose(self, *commands: Wanted | bytes, now: float = 0.0) -> None:
        self.proposals.submit(
            [Wanted(command) if isinstance(command, bytes) else command for command in commands],
            now,
        )
        self.settle()

    def settle(self) -> None:
        """Let gathering end, as long as something gathers."""
        while any(isinstance(effect, Gather) for effect in self.effects):
            self.effects[:] = [item for item in self.effects if not isinstance(item, Gather)]
            self.proposals.gathered()

    def errors(self) -> list[tuple[bytes, type[Exception]]]:
        return [
            (effect.command.payload, type(effect.error))
            for effect in self.effects
            if isinstance(effect, Unanswered)
        ]


def test_what_never_left_is_offered_again_in_its_order() -> None:
    asked = Asked()
    asked.reachable = False
    asked.propose(b"a", b"b", b"c")
    assert not asked.offered
    assert asked.proposals.held
    asked.reachable = True
    asked.propose(b"d")
    assert not asked.offered, "it is offered when time has passed, not at once"
    asked.proposals.resume()
    asked.settle()
    assert asked.offered == [[b"a", b"b", b"c", b"d"]]
    assert not asked.errors()


def test_without_a_leader_proposals_wait_for_one_or_are_said_to_be_undone() -> None:
    asked = Asked()
    asked.proposals.led(Leadership(2, 0))
    asked.propose(b"a", now=0.0)
    asked.propose(b"b", now=1.0)
    assert not asked.offered
    asked.proposals.expire(ANSWER_S)
    assert asked.errors() == [(b"a", NoLeaderError)]
    asked.proposals.led(Leadership(3, OTHER))
    asked.settle()
    assert asked.offered == [[b"b"]]


def test_what_may_have_arrived_is_told_to_be_unknown_at_once() -> None:
    asked = Asked()
    asked.propose(b"a")
    asked.proposals.link_lost(OTHER)
    assert not asked.errors()
    asked.proposals.link_lost(LEADER)
    assert asked.errors() == [(b"a", OutcomeUnknownError)]
    assert asked.proposals.waiting == asked.proposals.waiting_bytes == 0


def test_what_may_arrive_twice_is_offered_again_and_never_said_to_be_undone() -> None:
    asked = Asked()
    asked.propose(repeatable(b"a"))
    asked.proposals.link_lost(LEADER)
    asked.proposals.resume()
    asked.settle()
    assert asked.offered == [[b"a"], [b"a"]]
    asked.proposals.link_lost(LEADER)
    asked.proposals.expire(ANSWER_S)
    assert asked.errors() == [(b"a", OutcomeUnknownError)]


def test_a_leaders_own_proposals_need_no_link() -> None:
    asked = Asked()
    asked.proposals.led(Leadership(2, 1))
    asked.propose(b"a")
    asked.proposals.link_lost(LEADER)
    asked.proposals.link_lost(1)
    assert not asked.errors()


def test_what_only_this_members_log_had_is_offered_again_when_a_later_term_is_applied() -> None:
    asked = Asked(replace(MemberOptions(), second_batch_entries=1))
    asked.proposals.led(Leadership(2, 1))
    asked.propose(b"own")
    asked.proposals.led(Leadership(3, LEADER))
    asked.propose(b"forwarded")
    asked.proposals.term_began(3)
    asked.settle()
    assert asked.offered == [[b"own"], [b"forwarded"], [b"own"]]
    asked.proposals.term_began(4)
    assert asked.errors() == [(b"forwarded", OutcomeUnknownError), (b"own", OutcomeUnknownError)]


def test_what_is_committed_goes_to_who_proposed_it_and_to_nobody_else() -> None:
    asked = Asked()
    first, second = Wanted(b"a"), Wanted(b"b")
    asked.propose(first, second)
    ((number, other),) = asked.numbers
    assert asked.proposals.committed(99) is None
    assert asked.proposals.committed(other) is second
    assert asked.proposals.committed(other) is None
    assert asked.proposals.committed(number) is first
    assert asked.proposals.waiting_bytes == 0


def test_an_overloaded_leader_is_not_asked_again() -> None:
    asked = Asked()
    asked.propose(b"a")
    asked.proposals.refused(asked.numbers[0][0], Refusal.OVERLOADED)
    assert asked.errors() == [(b"a", StoreOverloadedError)]
    assert not asked.proposals.held


def test_entries_that_a_snapshot_skipped_are_unknown() -> None:
    asked = Asked()
    asked.propose(repeatable(b"a"))
    asked.proposals.led(Leadership(2, 0))
    asked.propose(b"b")
    asked.proposals.skipped()
    assert asked.errors() == [(b"a", OutcomeUnknownError)]
    assert asked.proposals.waiting == 1


def test_a_batch_grows_while_another_is_under_way() -> None:
    asked = Asked(replace(MemberOptions(), second_batch_entries=4))
    asked.propose(b"a")
    asked.propose(b"b")
    asked.propose(b"c")
    assert asked.offered == [[b"a"]]
    asked.proposals.committed(asked.numbers[0][0])
    asked.settle()
    assert asked.offered[1:] == [[b"b", b"c"]]
    # So many do not wait.
    asked.propose(b"d", b"e", b"f", b"g")
    assert asked.offered[2:] == [[b"d", b"e", b"f", b"g"]]


def test_a_slow_group_gets_the_second_batch_all_the_same() -> None:
    options = replace(MemberOptions(), second_batch_s=0.001)
    asked = Asked(options)
    asked.propose(b"a")
    asked.propose(b"b")
    assert asked.effects == [After(options.second_batch_s, PatienceLost())]
    asked.proposals.lose_patience()
    asked.settle()
    assert asked.offered == [[b"a"], [b"b"]]


def test_a_batch_is_bounded_but_takes_one_proposal_of_any_size() -> None:
    asked = Asked(replace(MemberOptions(), second_batch_entries=1), BatchBounds(2, 10))
    asked.propose(b"a", b"b", b"c", b"d" * 11, b"e")
    assert asked.offered == [[b"a", b"b"], [b"c"], [b"d" * 11], [b"e"]]
