"""Group commit: writers that come together share a sync, and who writes alone does not wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.log.gathering import Gathering
from podraft.server.store.options import StoreOptions
from support.raft_cluster import RaftCluster

_WRITES = 60


async def opened(kind: str, directory: Path) -> EmbeddedDatastore | RaftDatastore:
    if kind == "alone":
        return await EmbeddedDatastore.open(directory)
    cluster = RaftCluster(directory, size=1)
    await cluster.start_all()
    return cluster.stores[1]


@pytest.mark.parametrize("kind", ["alone", "group"])
@pytest.mark.parametrize("writers", [2, 16])
def test_writers_that_begin_apart_meet_in_one_sync(tmp_path: Path, kind: str, writers: int):
    async def main() -> None:
        store = await opened(kind, tmp_path)

        async def write(writer: int) -> None:
            # Each begins while others' batches are under way.
            for _ in range(3 * writer):
                await asyncio.sleep(0)
            for number in range(_WRITES):
                await store.transact(Transaction((), (Put(b"k/%d/%d" % (writer, number), b"v"),)))

        before = sum(store.measurements().syncs.recent())
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        syncs = sum(store.measurements().syncs.recent()) - before
        assert syncs <= _WRITES * 1.5
        await store.close()

    asyncio.run(main())


def test_a_batch_is_closed_in_the_next_turn_when_all_who_are_expected_are_there():
    async def main() -> None:
        waiting, closed = [1], []
        options = StoreOptions(gather_turns=5)
        gathering = Gathering(options, lambda: waiting[0], lambda: closed.append(waiting[0]))
        gathering.begin(expected=1)
        await asyncio.sleep(0)
        assert closed == [1]
        gathering.begin(expected=2)
        await asyncio.sleep(0)
        assert closed == [1]
        waiting[0] = 2
        await asyncio.sleep(0)
        assert closed == [1, 2]
        # Who does not come is waited for during some turns only.
        gathering.begin(expected=3)
        for _ in range(options.gather_turns + 1):
            await asyncio.sleep(0)
        assert closed == [1, 2, 2]

    asyncio.run(main())
