"""Group commit: writers that come together share a sync, and who writes alone does not wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.server.startup.opened_store import OpenedStore, of_embedded, of_member
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.log.gathering import Gathering
from podraft.server.store.options import StoreOptions
from support.raft_cluster import RaftCluster

_WRITES = 60


async def opened(kind: str, directory: Path) -> OpenedStore:
    if kind == "alone":
        return of_embedded(await EmbeddedDatastore.open(directory))
    cluster = RaftCluster(directory, size=1)
    await cluster.start_all()
    return of_member(cluster.stores[1])


def syncs(store: OpenedStore) -> int:
    assert store.measured is not None
    return sum(store.measured.measurements().syncs.recent())


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
                put = Put(b"k/%d/%d" % (writer, number), b"v")
                await store.datastore.transact(Transaction((), (put,)))

        before = syncs(store)
        await asyncio.gather(*(write(writer) for writer in range(writers)))
        assert syncs(store) - before <= _WRITES * 1.5
        await store.datastore.close()

    asyncio.run(main())


def test_who_writes_alone_does_not_wait_and_few_writers_do_not_make_fewer():
    async def main() -> None:
        waiting, closed = [1], []
        options = StoreOptions(gather_turns=5)
        gathering = Gathering(options, lambda: waiting[0], lambda: closed.append(waiting[0]))
        gathering.begin(expected=1)
        await asyncio.sleep(0)
        assert closed == [1]
        # As many as the last time, yet more come: the batch grows while turns bring more.
        gathering.begin(expected=2)
        for number in range(2, 9):
            waiting[0] = number
            await asyncio.sleep(0)
            assert closed == [1]
        for _ in range(options.gather_turns + 1):
            await asyncio.sleep(0)
        assert closed == [1, 8]

    asyncio.run(main())
