"""Pages of one list: one revision, known ends, and a way to go on when the revision is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podraft.api import kinds
from podraft.api.meta.v1 import meta_pb2
from podraft.api.meta.v1.requests_pb2 import ListRequest
from podraft.server.registry import encoding, keys, pages
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.selection import parse
from podraft.server.registry.slices import Turns
from podraft.server.state.datastore import Delete, Put, RevisionCompactedError, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.api_objects import example


class Maps:
    """A store with the ConfigMaps ``00`` to ``24``, and its list."""

    def __init__(self, store: EmbeddedDatastore) -> None:
        self.store = store
        self.caches = Caches(kinds.Registry(kinds.BUILT_IN), store.revision)

    async def put(self, name: str) -> None:
        labels = {"parity": str(int(name[:2]) % 2)}
        value = encoding.encode_object(example(kinds.CONFIG_MAP, name, labels=labels))
        put = Put(keys.of_object(kinds.CONFIG_MAP, "default", name), value)
        await self.store.transact(Transaction((), (put,)))

    async def remove(self, name: str) -> None:
        gone = Delete(keys.of_object(kinds.CONFIG_MAP, "default", name))
        await self.store.transact(Transaction((), (gone,)))

    async def page(
        self, limit: int = 10, token: str = "", selector: str = "", revision: int = 0
    ) -> tuple[list[str], meta_pb2.ListMeta]:
        request = ListRequest(
            namespace="default", label_selector=selector, limit=limit, continue_token=token
        )
        wanted = parse(kinds.CONFIG_MAP, "default", selector, "")
        key = pages.list_key(b"key", b"me", kinds.CONFIG_MAP, request)
        records, metadata = await pages.list_page(
            self.store,
            self.caches.of(kinds.CONFIG_MAP),
            wanted,
            request,
            key,
            Turns().work(b"me"),
            revision,
        )
        return [record.key.decode().rpartition("/")[2] for record in records], metadata


@asynccontextmanager
async def config_maps(path: Path) -> AsyncIterator[Maps]:
    store = await EmbeddedDatastore.open(path)
    maps = Maps(store)
    for number in range(25):
        await maps.put(f"{number:02}")
    # Neighbours in the order of keys, which no list may count.
    await store.transact(Transaction((), (Put(b"configmaps/other/x", b""), Put(b"a/b/c", b""))))
    yield maps
    await store.close()


def test_the_number_of_remaining_items_is_that_of_the_lists_revision(tmp_path: Path) -> None:
    async def main() -> None:
        async with config_maps(tmp_path) as maps:
            names, first = await maps.page()
            assert (len(names), first.remaining_item_count) == (10, 15)
            await maps.put("20a")
            await maps.remove("15")
            _, second = await maps.page(token=first.continue_token)
            assert second.remaining_item_count == 5
            names, last = await maps.page(token=second.continue_token)
            assert len(names) == 5
            assert not last.HasField("remaining_item_count")
            assert not last.continue_token
            _, selected = await maps.page(selector="parity=0", limit=3)
            assert not selected.HasField("remaining_item_count"), "nobody has counted them"

    asyncio.run(main())


def test_a_list_whose_revision_was_compacted_says_how_to_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with config_maps(tmp_path) as maps:
            seen, first = await maps.page()
            await maps.put("17a")
            await maps.remove("05")
            await maps.remove("12")
            await maps.store.compact(maps.store.revision)
            with pytest.raises(RefusedError, match="compacted") as told:
                await maps.page(token=first.continue_token)
            assert told.value.code is Code.OUT_OF_RANGE
            assert "list again" in told.value.message
            token = told.value.continue_token
            revisions = set()
            while token:
                names, page = await maps.page(token=token)
                seen += names
                revisions.add(page.resource_version)
                token = page.continue_token
            expected = sorted({f"{n:02}" for n in range(25)} - {"12"} | {"17a"})
            assert seen == expected, "what was shown is not shown again, the rest is as it is now"
            assert len(revisions) == 1

    asyncio.run(main())


def test_an_exact_list_shows_its_revision_or_says_that_it_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with config_maps(tmp_path) as maps:
            before = maps.store.revision
            await maps.remove("03")
            names, page = await maps.page(limit=0, revision=before)
            assert len(names) == 25
            assert page.resource_version == str(before)
            await maps.store.compact(maps.store.revision)
            with pytest.raises(RevisionCompactedError):
                await maps.page(limit=0, revision=before)

    asyncio.run(main())
