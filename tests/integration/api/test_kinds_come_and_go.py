"""A kind that is declared while the server runs is watched like any other, until it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.core.v1.config_map_service_pb2 import WatchConfigMapsResponse
from podraft.api.kinds import AnyKind, Kind, Registry
from podraft.server.registry import encoding, keys
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.cache.watch_starts import WatchStart
from podraft.server.registry.cache.watches import Watches
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.selection import parse
from podraft.server.registry.slices import Turns
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.api_objects import example

# It shares its plural with the core group's, and a message with a kind that is not known here.
WIDGET: AnyKind = Kind(
    message=kinds.CONFIG_MAP.message,
    api_version="metrics.example.io/v1",
    resource="pods",
    custom=True,
)


async def written(store: EmbeddedDatastore, kind: AnyKind, name: str) -> None:
    known = kinds.CONFIG_MAP if kind is WIDGET else kind
    value = encoding.encode_object(example(known, name))
    put = Put(keys.of_object(kind, "default", name), value)
    await store.transact(Transaction((), (put,)))


async def seen(stream: AsyncGenerator[bytes, None]) -> list[str]:
    """Return the names of the objects of the next response, whatever their kind; no bookmarks."""
    response: Any = WatchConfigMapsResponse.FromString(await anext(stream))
    return [e.object.metadata.name for e in response.events if e.type != encoding.BOOKMARK]


def test_watches_of_a_new_kind_see_what_was_there_and_what_comes_and_end_with_it(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        registry = Registry([kinds.NAMESPACE, kinds.POD])
        caches = Caches(registry, store.revision)
        await caches.start(store)
        watches = Watches(store, caches)
        selection = parse(WIDGET, "default", "", "")
        with pytest.raises(RefusedError, match=r"pods\.metrics\.example\.io"):
            await anext(watches.stream(selection, WatchStart(), Turns().work(b"me")))
        await written(store, WIDGET, "a")
        await written(store, kinds.POD, "core")
        registry.add(WIDGET)
        stream = watches.stream(selection, WatchStart(), Turns().work(b"me"))
        assert await seen(stream) == ["a"]
        await written(store, kinds.POD, "more")
        await written(store, WIDGET, "b")
        assert await seen(stream) == ["b"]
        pods = caches.of(kinds.POD)
        core = watches.stream(
            parse(kinds.POD, "default", "", ""), WatchStart(), Turns().work(b"me")
        )
        assert await seen(core) == ["core", "more"]
        assert caches.watcher_counts()["pods"] >= 1
        registry.remove(WIDGET)
        with pytest.raises(RefusedError, match="any more") as caught:
            await seen(stream)
        assert caught.value.code is Code.NOT_FOUND
        assert caches.of(kinds.POD) is pods, "the other kinds' watches go on"
        await written(store, kinds.POD, "last")
        assert await seen(core) == ["last"]
        await core.aclose()
        # Declared again, it is served again, from the state that the store has.
        registry.add(WIDGET)
        again = watches.stream(selection, WatchStart(), Turns().work(b"me"))
        assert await seen(again) == ["a", "b"]
        await again.aclose()
        await caches.close()
        registry.remove(WIDGET)
        await store.close()

    asyncio.run(main())
