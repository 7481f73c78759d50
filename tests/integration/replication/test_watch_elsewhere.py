"""A watch goes on at another member, even one that has not heard yet of what was told elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

from podraft.api.kinds import BUILT_IN, CONFIG_MAP, Registry
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.cache.watch_starts import changes_after
from podraft.server.registry.cache.watches import Watches
from podraft.server.registry.selection import parse
from podraft.server.registry.slices import Turns
from podraft.server.state.datastore import Committed, Put, Transaction
from support.raft_cluster import RaftCluster


def test_a_watch_resumes_at_a_member_that_is_behind_what_another_one_told(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = RaftCluster(tmp_path / "c")
        await cluster.start_all()
        leader = cluster.stores[cluster.leader]
        follower = next(store for store in cluster.stores.values() if store is not leader)
        caches = Caches(Registry(BUILT_IN), follower.revision)
        await caches.start(follower)
        watches = Watches(follower, caches)
        behind = 0
        for number in range(1, 11):
            key = b"configmaps/default/%d" % number
            outcome = await leader.transact(Transaction((), (Put(key, b""),)))
            assert outcome == Committed(number)
            # The leader tells its followers what is committed with its next message.
            behind += follower.revision < number
            wanted = parse(CONFIG_MAP, "default", "", "")
            watch = watches.stream(wanted, changes_after(number), Turns().work(b"me"))
            beginning = asyncio.ensure_future(anext(watch))
            while not caches.of(CONFIG_MAP).watchers:
                assert not beginning.done(), beginning.result()
                await asyncio.sleep(0)
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
            await watch.aclose()
        assert behind, "the follower was never behind: this tried nothing"
        await caches.close()
        await cluster.stop_all()

    asyncio.run(main())
