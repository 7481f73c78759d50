"""What becomes of proposals whose way to the leader breaks, and how batches leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from podraft.server.raft import events as raft
from podraft.server.raft.entries import HardState, Membership, SnapshotMark
from podraft.server.raft.log import RaftLog
from podraft.server.raft.member import Member, Role
from podraft.server.raft.options import RaftOptions
from podraft.server.replication.faults import OutcomeUnknownError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.own_proposals import OwnProposals
from podraft.server.state.datastore import Transaction
from podraft.server.store.log.seam import Proposal
from podraft.server.store.options import StoreOptions
from support.waiting import eventually_async

LEADER, OTHER = 2, 3
Offered = list[tuple[raft.Proposal, ...]]


class Asked:
    """Member 1, and what it offers."""

    def __init__(
        self,
        options: MemberOptions | None = None,
        undeliverable: Callable[[], bool] = bool,
    ) -> None:
        mark = SnapshotMark(0, 0, Membership.of((1, LEADER, OTHER)))
        self.member = Member(1, RaftLog(mark), HardState(1), RaftOptions(), Random(0))
        self.member.leader = LEADER
        self.offered: Offered = []
        self._undeliverable = undeliverable
        self.proposals = OwnProposals(
            self.member, options or MemberOptions(), StoreOptions(), offer=self._take
        )

    def _take(self, batch: tuple[raft.Proposal, ...]) -> None:
        if self._undeliverable():
            self.proposals.undelivered([proposal.id for proposal in batch])
        else:
            self.offered.append(batch)

    def propose(self, *payloads: bytes) -> list[asyncio.Future[object]]:
        nothing, new = Transaction((), ()), asyncio.get_running_loop().create_future
        made = [Proposal(nothing, 0, payload, new()) for payload in payloads]
        self.proposals.submit(made)
        return [proposal.outcome for proposal in made]  # type: ignore[misc]  # Nobody sets a result.

    async def offers(self, count: int) -> Offered:
        await eventually_async(lambda: len(self.offered) >= count, within_s=5)
        return self.offered


def payloads(batch: tuple[raft.Proposal, ...]) -> list[bytes]:
    return [proposal.payload for proposal in batch]


def test_what_never_left_is_offered_again_in_its_order() -> None:
    async def main() -> None:
        broken = True
        asked = Asked(undeliverable=lambda: broken)
        outcomes = asked.propose(b"a", b"b", b"c")
        await eventually_async(lambda: asked.proposals.held, within_s=5)
        assert not asked.offered
        broken = False
        asked.proposals.resume()
        (batch,) = await asked.offers(1)
        assert payloads(batch) == [b"a", b"b", b"c"]
        assert not any(outcome.done() for outcome in outcomes)

    asyncio.run(main())


def test_what_may_have_arrived_is_told_to_be_unknown_at_once() -> None:
    async def main() -> None:
        asked = Asked()
        (outcome,) = asked.propose(b"a")
        await asked.offers(1)
        asked.proposals.link_lost(OTHER)
        assert not outcome.done()
        asked.proposals.link_lost(LEADER)
        with pytest.raises(OutcomeUnknownError, match="connection to the leader"):
            await outcome
        assert asked.proposals.waiting == asked.proposals.waiting_bytes == 0

    asyncio.run(main())


def test_what_may_arrive_twice_is_offered_again_and_never_said_to_be_undone() -> None:
    async def main() -> None:
        asked = Asked(replace(MemberOptions(), answer_s=0.2))
        request = Transaction((), (), request=b"r" * 16)
        outcome = asyncio.get_running_loop().create_future()
        asked.proposals.submit([Proposal(request, 0, b"a", outcome)])
        await asked.offers(1)
        asked.proposals.link_lost(LEADER)
        asked.proposals.resume()
        first, second = await asked.offers(2)
        assert payloads(first) == payloads(second)
        asked.proposals.link_lost(LEADER)

        def expired() -> bool:
            asked.proposals.expire()
            return outcome.done()

        await eventually_async(expired, within_s=5)
        assert isinstance(outcome.exception(), OutcomeUnknownError)

    asyncio.run(main())


def test_a_leaders_own_proposals_need_no_link() -> None:
    async def main() -> None:
        asked = Asked()
        asked.member.role, asked.member.leader = Role.LEADER, 1
        (outcome,) = asked.propose(b"a")
        await asked.offers(1)
        asked.proposals.link_lost(LEADER)
        asked.proposals.link_lost(1)
        assert not outcome.done()

    asyncio.run(main())


def test_a_batch_grows_while_another_is_under_way() -> None:
    async def main() -> None:
        patient = replace(MemberOptions(), second_batch_s=60.0, second_batch_entries=4)
        asked = Asked(patient)
        asked.propose(b"a")
        ((first,),) = await asked.offers(1)
        asked.propose(b"b")
        asked.propose(b"c")
        asked.proposals.committed(first.id)
        assert payloads((await asked.offers(2))[1]) == [b"b", b"c"]
        # So many do not wait.
        asked.propose(b"d", b"e", b"f", b"g")
        assert payloads((await asked.offers(3))[2]) == [b"d", b"e", b"f", b"g"]

    asyncio.run(main())


def test_a_slow_group_gets_the_second_batch_all_the_same() -> None:
    async def main() -> None:
        asked = Asked(replace(MemberOptions(), second_batch_s=0.001))
        asked.propose(b"a")
        await asked.offers(1)
        asked.propose(b"b")
        assert payloads((await asked.offers(2))[1]) == [b"b"]

    asyncio.run(main())
