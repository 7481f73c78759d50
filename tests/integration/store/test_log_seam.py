"""Where consensus slips in: a member applies what others proposed, and ends up the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from podraft.server.state.datastore import EventBatch
from podraft.server.store.applied.recovery import recover
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.log.seam import (
    CommittedBatch,
    Log,
    OnCommitted,
    OnFailed,
    Proposal,
)
from podraft.server.store.options import StoreOptions
from support.store_model import Model, check_watched, random_transaction


class SharedLog:
    """One order of commands for two members, as consensus gives it; keeps nothing on disk."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.next_index = 1

    def order(self, proposer: Member, proposals: Sequence[Proposal]) -> None:
        payloads = [proposal.payload for proposal in proposals]
        first_index = self.next_index
        self.next_index += len(payloads)
        for member in self.members:
            mine = proposals if member is proposer else [None] * len(payloads)
            batch = CommittedBatch(first_index, payloads, mine)
            asyncio.get_running_loop().call_soon(member.committed, batch)


class Member:
    """One member's end of the shared log."""

    ready = True

    def __init__(self, shared: SharedLog) -> None:
        self._shared = shared
        shared.members.append(self)

    def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        self.committed = committed

    def propose(self, proposals: Sequence[Proposal]) -> None:
        self._shared.order(self, proposals)

    def release(self, through: int) -> None:
        assert through < self._shared.next_index

    async def exclusively(self, act: Callable[[], Any]) -> Any:
        return act()

    async def close(self) -> None:
        pass


def test_two_members_of_one_log_end_up_the_same(tmp_path: Path) -> None:
    random = Random(11)
    print("seed 11")
    model = Model()
    options = StoreOptions(recent_events=30, history_flush_interval_s=0.01)

    async def main() -> None:
        shared = SharedLog()
        stores = []
        for name in ("a", "b"):
            log: Log = Member(shared)
            recovered = recover(tmp_path / name, options)
            recovered.wal.close()
            stores.append(EmbeddedDatastore(recovered, log, options))
        watching = [asyncio.create_task(watch(store)) for store in stores]
        keys = [b"k/%d" % n for n in range(10)]
        for _ in range(150):
            transaction = random_transaction(random, model, keys)
            model.transact(transaction)
            await random.choice(stores).transact(transaction)
            await asyncio.sleep(0)
        for store in stores:
            assert store.revision == model.revision
            for revision in range(1, model.revision, 7):
                page = await store.range(b"", revision=revision)
                assert list(page.records) == model.records(b"", revision)
            await store.close()
        for batches in watching:
            check_watched(model, b"k/", 0, await batches, through=model.revision)

    async def watch(store: EmbeddedDatastore) -> list[EventBatch]:
        return [batch async for batch in store.watch(b"k/", 0)]

    asyncio.run(main())
