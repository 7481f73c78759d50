"""What the store tells of its past: who, when, and no more than is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.server.state.datastore import Delete, Put, RevisionCompactedError, Transaction
from podraft.server.state.past import BeforeHistoryError, ChangeTooLargeError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions

ALL = 1 << 30


class Clock:
    """A clock that a second passes on with each look."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        self.now_ms += 1000
        return self.now_ms


def put(value: bytes, author: bytes = b"alice") -> Transaction:
    return Transaction((), (Put(b"k", value, stamped=False),), author)


async def filled(directory: Path) -> EmbeddedDatastore:
    """Revisions 1 to 10, a second apart; 5 deletes the key."""
    store = await EmbeddedDatastore.open(directory, options=StoreOptions(now_ms=Clock()))
    for n in range(1, 11):
        author = b"bob" if n % 2 else b""
        change = Transaction((), (Delete(b"k"),), author) if n == 5 else put(b"v%d" % n, author)
        await store.transact(change)
    return store


def test_versions_say_who_and_when_also_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        store = await filled(tmp_path)
        for _ in range(2):
            versions = await store.past.versions(b"k", before=0, limit=100, bytes_max=ALL)
            assert not versions.more
            assert [v.revision for v in versions.items] == list(range(10, 0, -1))
            for version in versions.items:
                n = version.revision
                assert version.time_ms == n * 1000
                assert version.author == (b"bob" if n % 2 else b"")
                assert version.value == (None if n == 5 else b"v%d" % n)
                assert version.is_first == (n in (1, 6))
            await store.close()
            store = await EmbeddedDatastore.open(tmp_path)
        await store.close()

    asyncio.run(main())


def test_what_is_compacted_is_refused_and_what_is_left_is_whole(tmp_path: Path) -> None:
    async def main() -> None:
        store = await filled(tmp_path)
        past = store.past
        await store.compact(7)
        kept = await past.kept()
        assert (kept.oldest, kept.time_ms, kept.newest) == (7, 7000, 10)
        assert [await past.revision_at(t) for t in (7000, 7999, 8000, 99_000)] == [7, 7, 8, 10]
        for time_ms in (0, 1000, 6999):
            with pytest.raises(BeforeHistoryError):
                await past.revision_at(time_ms)
        for revision in (1, 6, 7):
            with pytest.raises(RevisionCompactedError) as caught:
                await past.change(revision, bytes_max=ALL)
            assert caught.value.oldest == 8
        assert (await past.change(8, bytes_max=ALL)).events[0].previous.value == b"v7"
        versions = await past.versions(b"k", before=0, limit=100, bytes_max=ALL)
        assert [v.revision for v in versions.items] == [10, 9, 8, 7]
        assert (versions.items[-1].time_ms, versions.items[-1].author) == (0, b"")
        await store.close()

    asyncio.run(main())


def test_answers_are_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        store = await filled(tmp_path)
        page = await store.past.versions(b"k", before=9, limit=2, bytes_max=ALL)
        assert ([v.revision for v in page.items], page.more) == ([8, 7], True)
        page = await store.past.versions(b"k", before=0, limit=100, bytes_max=1)
        assert ([v.revision for v in page.items], page.more) == ([10], True)
        with pytest.raises(ChangeTooLargeError):
            await store.past.change(10, bytes_max=3)
        await store.close()

    asyncio.run(main())


def test_a_key_that_begins_like_another_is_not_its_history(tmp_path: Path) -> None:
    async def main() -> None:
        store = await filled(tmp_path)
        await store.transact(Transaction((), (Put(b"k2", b"x"), Put(b"k/1", b"y")), b"eve"))
        versions = await store.past.versions(b"k", before=0, limit=100, bytes_max=ALL)
        assert versions.items[0].revision == 10
        assert (await store.past.versions(b"", before=0, limit=9, bytes_max=ALL)).items == []
        await store.close()

    asyncio.run(main())
