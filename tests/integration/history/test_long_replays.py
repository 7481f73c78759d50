"""A watch whose past takes too long ends, tells how far it came, and goes on from there."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from podraft.api import kinds
from podraft.api.core.v1.config_map_service_pb2 import WatchConfigMapsResponse
from podraft.server.registry import encoding
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.cache.watch_starts import changes_after
from podraft.server.registry.cache.watches import Watches
from podraft.server.registry.selection import parse
from podraft.server.registry.slices import OverBudgetError, Turns
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.api_objects import example

CHANGES = 400


def test_a_replay_beyond_its_budget_goes_on_where_it_ended(tmp_path: Path) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        for number in range(CHANGES):
            made = example(kinds.CONFIG_MAP, "a", labels={"number": str(number)})
            put = Put(b"configmaps/default/a", encoding.encode_object(made))
            await store.transact(Transaction((), (put,)))
        caches = Caches(kinds.Registry(kinds.BUILT_IN), store.revision)
        await caches.start(store)
        watches = Watches(store, caches)
        wanted = parse(kinds.CONFIG_MAP, "default", "number", "")
        # So little that no try comes to the end.
        seen, reached, tries = list[int](), 1, 0
        while reached < CHANGES:
            tries += 1
            work = Turns().work(b"me", budget_s=0.002)
            try:
                async with aclosing(watches.stream(wanted, changes_after(reached), work)) as stream:
                    async for response in stream:
                        for event in WatchConfigMapsResponse.FromString(response).events:
                            revision = int(event.object.metadata.resource_version)
                            assert revision >= reached
                            reached = revision
                            if event.type != encoding.BOOKMARK:
                                seen.append(revision)
                        if reached == CHANGES:
                            break
            except OverBudgetError:
                continue
        assert seen == list(range(2, CHANGES + 1))
        assert tries > 1
        await caches.close()
        await store.close()

    asyncio.run(main())
