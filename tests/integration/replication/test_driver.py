"""Core, disk and a network in memory: what the driver promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from podraft.server.replication.faults import NoLeaderError, OutcomeUnknownError
from podraft.server.state.datastore import Committed, Put, Repeated, Transaction
from podraft.server.store.options import StoreOptions
from support.raft_members import QUICK, LocalGroup, LocalMember
from support.waiting import eventually_async


def put(key: bytes, value: bytes = b"v") -> Transaction:
    return Transaction((), (Put(key, value, stamped=False),))


async def led(group: LocalGroup) -> LocalMember:
    await eventually_async(lambda: group.leader)
    return group.members[group.leader]


async def records(member: LocalMember) -> dict[bytes, bytes]:
    return {record.key: record.value for record in (await member.state.range(b"")).records}


async def agreed(group: LocalGroup, revision: int) -> None:
    await eventually_async(
        lambda: all(member.state.revision == revision for member in group.members.values())
    )
    first, *others = [await records(member) for member in group.members.values()]
    for other in others:
        assert other == first


def test_whichever_member_proposes_all_apply_the_same_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        group = LocalGroup(tmp_path)
        await led(group)
        for member in group.members.values():
            transactions = [put(b"k/%d-%d" % (member.identity, n)) for n in range(50)]
            before = member.state.revision
            outcomes = await asyncio.gather(*(member.transact(t) for t in transactions))
            assert outcomes == [Committed(outcomes[0].revision + n) for n in range(50)]
            assert outcomes[0].revision > before
            assert member.state.revision >= outcomes[-1].revision
        await agreed(group, 150)
        await group.close()

    asyncio.run(main())


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        for round_ in range(1, 4):
            group = LocalGroup(tmp_path, seed=round_)
            leader = await led(group)
            term = leader.driver.status.term
            assert term >= round_
            await asyncio.gather(*(leader.transact(put(b"%d/%d" % (round_, n))) for n in range(20)))
            await agreed(group, round_ * 20)
            await group.close()

    asyncio.run(main())


def test_a_new_leader_takes_over_and_the_old_one_follows(tmp_path: Path) -> None:
    async def main() -> None:
        group = LocalGroup(tmp_path)
        old = await led(group)
        await old.transact(put(b"before"))
        group.cut.add(old.identity)
        lost = asyncio.create_task(old.transact(put(b"lost")))
        new = await led(group)
        assert new is not old
        await new.transact(put(b"after"))
        group.cut.clear()
        # Its own entry was replaced, for certain: it proposes it again, once.
        assert await lost == Committed(3)
        await agreed(group, 3)
        await group.close()

    asyncio.run(main())


def test_a_forwarded_proposal_whose_leader_was_lost_has_an_unknown_outcome(tmp_path: Path) -> None:
    async def main() -> None:
        group = LocalGroup(tmp_path)
        leader = await led(group)
        await leader.transact(put(b"before"))
        follower = next(m for m in group.members.values() if m is not leader)
        await follower.transact(put(b"known"))
        group.cut.add(leader.identity)
        with pytest.raises(OutcomeUnknownError):
            await follower.transact(put(b"forwarded"))
        await group.close()

    asyncio.run(main())


def test_a_forwarded_proposal_of_a_request_is_offered_to_the_next_leader(tmp_path: Path) -> None:
    async def main() -> None:
        group = LocalGroup(tmp_path)
        first = await led(group)
        await first.transact(put(b"before"))
        follower = next(m for m in group.members.values() if m is not first)
        group.cut.add(first.identity)
        forwarded = replace(put(b"forwarded"), request=b"r" * 16)
        assert await follower.transact(forwarded) == Committed(2)
        group.cut.clear()
        for member in group.members.values():
            assert await member.transact(forwarded) == Repeated(2)
        await agreed(group, 2)
        await group.close()

    asyncio.run(main())


def test_without_a_majority_nobody_waits_for_ever(tmp_path: Path) -> None:
    async def main() -> None:
        options = replace(QUICK, answer_s=0.5)
        group = LocalGroup(tmp_path, options=options)
        leader = await led(group)
        await leader.driver.caught_up()
        for identity in [i for i in group.identities if i != leader.identity]:
            await group.stop(identity)
        with pytest.raises((OutcomeUnknownError, NoLeaderError)):
            await leader.transact(put(b"a"))
        with pytest.raises(NoLeaderError):
            await leader.driver.caught_up()
        await group.close()

    asyncio.run(main())


def test_reads_of_every_member_see_what_was_acknowledged_before(tmp_path: Path) -> None:
    async def main() -> None:
        group = LocalGroup(tmp_path)
        await led(group)
        members = list(group.members.values())
        for number in range(60):
            writer, reader = members[number % 3], members[(number + 1) % 3]
            await writer.transact(put(b"k", b"%d" % number))
            await reader.driver.caught_up()
            assert reader.state.get(b"k").value == b"%d" % number
        await group.close()

    asyncio.run(main())


def test_a_group_with_losses_restarts_and_small_segments_loses_nothing(tmp_path: Path) -> None:
    random = Random(5)

    async def main() -> None:
        store = StoreOptions(history_flush_interval_s=0.005, segment_bytes=16 * 1024)
        # Without snapshots here, nobody may fall behind what is kept.
        options = replace(QUICK, kept_entries=600)
        group = LocalGroup(tmp_path, store_options=store, options=options, seed=5)
        acknowledged: dict[bytes, bytes] = {}
        proposed: set[bytes] = set()

        async def write(writer: int) -> None:
            for number in range(150):
                key = b"%d/%d" % (writer, number)
                members = list(group.members.values())
                proposed.add(key)
                try:
                    await random.choice(members).transact(put(key, key * 20))
                except (OutcomeUnknownError, NoLeaderError, ConnectionError):
                    continue
                acknowledged[key] = key * 20

        def reached(count: int) -> Callable[[], bool]:
            return lambda: len(acknowledged) >= count or writing.done()

        async def disturb() -> None:
            for _ in range(6):
                await eventually_async(lambda: group.leader)
                victim = random.choice(group.identities)
                group.loss = random.choice((0.0, 0.05))
                target = len(acknowledged) + 20
                await group.stop(victim)
                await eventually_async(reached(target))
                group.start(victim)
            group.loss = 0.0

        writing = asyncio.gather(*(write(writer) for writer in range(6)))
        await asyncio.gather(writing, disturb())
        leader = await led(group)
        await leader.driver.caught_up()
        await agreed(group, leader.state.revision)
        found = await records(leader)
        assert acknowledged.items() <= found.items()
        assert set(found) <= proposed
        assert leader.state.revision == len(found), "something took effect twice"
        assert len(acknowledged) > 500
        await group.close()

    asyncio.run(main())
