"""Members over real streams: leaving, and what is promised then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import Committed, Put, StoreFailedError, Transaction
from support.raft_cluster import RaftCluster

# So patient that only a leader that hands over lets another lead within this test.
PATIENT = MemberOptions(tick_s=0.1)


def put(key: bytes) -> Transaction:
    return Transaction((), (Put(key, b"v"),))


def test_a_leader_that_leaves_lets_another_lead_first(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = RaftCluster(tmp_path / "c", options=PATIENT)
        await cluster.start_all()
        for number in range(1, 3):
            leader = cluster.leader
            other = next(n for n in cluster.stores if n != leader)
            assert await cluster.stores[other].transact(put(b"k")) == Committed(number)
            term = cluster.stores[other].member.status.term
            store = cluster.stores[leader]
            await store.close()
            with pytest.raises(StoreFailedError, match="closed"):
                await store.get(b"k")
            del cluster.stores[leader]
            assert cluster.leader
            assert cluster.stores[cluster.leader].member.status.term == term + 1
            await cluster.start(leader)
            for each in cluster.stores.values():
                await each.caught_up()
                assert each.revision == number
        await cluster.stop_all()

    asyncio.run(main())
