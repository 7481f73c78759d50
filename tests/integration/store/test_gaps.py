"""A gap in what a server hears from its store: watches end, rights are of what is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.api import kinds
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.server.registry import encoding
from podraft.server.registry.cache.caches import Caches, begin_again
from podraft.server.registry.cache.watchers import Watcher
from podraft.server.registry.selection import parse
from podraft.server.state.datastore import Delete, Put, SlowWatcherError, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.api_objects import example


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
