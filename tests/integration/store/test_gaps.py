"""A gap in what a server hears from its store: watches end, and copies are made anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.server.registry import encoding, following
from podraft.server.registry.cache.caches import Caches, begin_again
from podraft.server.registry.cache.watchers import Watcher
from podraft.server.registry.following import follow
from podraft.server.registry.selection import parse
from podraft.server.state.datastore import (
    Delete,
    EventBatch,
    Put,
    RevisionCompactedError,
    SlowWatcherError,
    StoreUnavailableError,
    Transaction,
)
from podraft.server.store.embedded import EmbeddedDatastore
from support.api_objects import example
from support.waiting import eventually_async


def pod(name: str, node: str) -> Put:
    made = example(kinds.POD, name)
    made.spec.node_name = node
    return Put(f"pods/default/{name}".encode(), encoding.encode_object(made))


def test_after_a_gap_agents_may_read_what_their_pods_name_now(tmp_path: Path) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        before = (pod("stays", "one"), pod("moves", "one"), pod("goes", "one"))
        await store.transact(Transaction((), before))
        caches = Caches(kinds.Registry(kinds.BUILT_IN), store.revision)
        await caches.start(store)
        left: list[tuple[str, str]] = []

        def leaver(node: str, pod: Pod) -> None:
            left.append((node, pod.metadata.name))

        caches.pods_by_node.leavers.append(leaver)
        # From here on this server hears nothing.
        await caches.close()
        cache = caches.of(kinds.POD)
        watcher = Watcher(parse(kinds.POD, "", "", ""), store.revision)
        cache.attach(watcher)
        after = (pod("moves", "two"), Delete(b"pods/default/goes"))
        await store.transact(Transaction((), after))
        await begin_again(store, cache, SlowWatcherError("a gap"))

        def names(node: str) -> set[str]:
            return {pod.metadata.name for pod in caches.pods_by_node.pods_on_node(node)}

        assert (names("one"), names("two")) == ({"stays"}, {"moves"})
        assert sorted(left) == [("one", "goes"), ("one", "moves")]
        assert cache.revision == cache.oldest == store.revision
        with pytest.raises(SlowWatcherError):
            await watcher.next()
        await store.close()

    asyncio.run(main())


class Names:
    """The keys that are stored, as of a revision."""

    def __init__(self) -> None:
        self.revision = 1
        self.keys: set[bytes] = set()

    def take(self, batch: EventBatch) -> None:
        self.keys |= {event.key for event in batch.events}
        self.revision = batch.revision


def test_a_copy_that_cannot_be_read_anew_at_once_is_read_later_and_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PAUSE_AFTER_FAILURE_S", 0.001)

    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        copy, gaps = Names(), list[Exception]()

        async def put(name: bytes) -> None:
            await store.transact(Transaction((), (Put(name, b"", stamped=False),)))

        async def begin_again(gap: Exception) -> None:
            gaps.append(gap)
            if len(gaps) == 1:
                raise StoreUnavailableError("nobody leads")
            if len(gaps) == 2:
                raise ValueError("one of the records is damaged")
            page = await store.range(b"_test/")
            copy.keys, copy.revision = {record.key for record in page.records}, page.revision

        for number in range(3):
            await put(b"_test/%d" % number)
        await store.compact(store.revision)
        task = asyncio.create_task(follow(store, b"_test/", copy, begin_again, "the names"))
        await eventually_async(lambda: len(copy.keys) == 3)
        await put(b"_test/3")
        await eventually_async(lambda: len(copy.keys) == 4)
        assert len(gaps) == 3
        assert all(isinstance(gap, RevisionCompactedError) for gap in gaps)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.close()

    asyncio.run(main())
