"""What is particular to the embedded store: its bounds, its directory, its retention."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from podraft.server.state.datastore import (
    Committed,
    Delete,
    EventBatch,
    Put,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreOverloadedError,
    Transaction,
    TransactionTooLargeError,
)
from podraft.server.state.retention import Retention
from podraft.server.store.directory import StoreInUseError, StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.history.history_file import History
from podraft.server.store.options import StoreOptions
from support.sealing import ring_of
from support.waiting import eventually_async


def put(key: bytes, value: bytes = b"v") -> Transaction:
    return Transaction((), (Put(key, value, stamped=False),))


@asynccontextmanager
async def opened(directory: Path, **options: Any) -> AsyncIterator[EmbeddedDatastore]:
    store = await EmbeddedDatastore.open(directory, options=StoreOptions(**options))
    try:
        yield store
    finally:
        await store.close()


def test_a_data_directory_opens_once_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path):
            with pytest.raises(StoreInUseError, match=r"in use by process \d+"):
                await EmbeddedDatastore.open(tmp_path)
        async with opened(tmp_path) as store:
            assert store.revision == 0

    asyncio.run(main())


def test_a_directory_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "file").write_bytes(b"")
        damaged = tmp_path / "damaged"
        damaged.mkdir()
        (damaged / "history.lmdb").write_bytes(b"no history" * 1000)
        for directory, named in ((tmp_path / "file", "file"), (damaged, "history.lmdb")):
            with pytest.raises(StoreOpenError, match=named):
                await EmbeddedDatastore.open(directory)

    asyncio.run(main())


def test_the_cluster_id_is_made_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "a") as store:
            first = store.cluster_id
        async with opened(tmp_path / "a") as again, opened(tmp_path / "b") as other:
            assert again.cluster_id == first
            assert other.cluster_id != first

    asyncio.run(main())


@pytest.mark.parametrize("bounds", [{"queue_transactions": 3}, {"queue_bytes": 100}])
def test_a_full_queue_refuses_and_recovers(tmp_path: Path, bounds: dict[str, int]) -> None:
    async def main() -> None:
        async with opened(tmp_path, **bounds) as store:
            proposals = [store.transact(put(b"k%d" % n)) for n in range(10)]
            outcomes = await asyncio.gather(*proposals, return_exceptions=True)
            taken = [o for o in outcomes if isinstance(o, Committed)]
            refused = [o for o in outcomes if isinstance(o, StoreOverloadedError)]
            assert len(taken) == 3
            assert len(refused) == 7
            assert len((await store.range(b"")).records) == 3
            assert await store.transact(put(b"again")) == Committed(4)

    asyncio.run(main())


def test_a_transaction_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, transaction_bytes=1000) as store:
            with pytest.raises(TransactionTooLargeError, match="at most 1000"):
                await store.transact(put(b"k", b"x" * 1000))
            assert await store.transact(put(b"k", b"x" * 900)) == Committed(1)

    asyncio.run(main())


def test_writers_wait_while_the_history_is_behind(tmp_path: Path) -> None:
    async def main() -> None:
        bounds = {"history_pending_bytes": 2000, "batch_transactions": 2}
        async with opened(tmp_path, history_flush_interval_s=60.0, **bounds) as store:
            # Far more than may wait: it only ends if the history is hurried along.
            outcomes = await asyncio.gather(*(store.transact(put(b"k%d" % n)) for n in range(200)))
            assert outcomes[-1] == Committed(200)

    asyncio.run(asyncio.wait_for(main(), 30))


def test_a_slow_watcher_is_dropped_alone_and_can_resume(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, watch_events=5) as store:
            slow = store.watch(b"k", 0)
            reading = asyncio.create_task(watched(store))
            await store.transact(put(b"k0"))
            first = await anext(slow)
            for number in range(1, 30):
                await store.transact(put(b"k%d" % number))
            with pytest.raises(SlowWatcherError):
                await anext(slow)
            resumed = [e.key async for e in events(store, first.revision, 30)]
            assert resumed == [b"k%d" % n for n in range(1, 30)]
        seen = await reading
        assert [e.key for b in seen for e in b.events] == [b"k%d" % n for n in range(30)]

    asyncio.run(main())


async def watched(store: EmbeddedDatastore) -> list[EventBatch]:
    return [batch async for batch in store.watch(b"k", 0)]


async def events(store: EmbeddedDatastore, start: int, through: int) -> AsyncIterator[Any]:
    async for batch in store.watch(b"", start):
        for event in batch.events:
            yield event
        if batch.revision >= through:
            return


def test_history_is_forgotten_by_age_and_by_count(tmp_path: Path) -> None:
    async def main() -> None:
        clock = [1_000_000]
        retention = Retention(keep_s=10.0, keep_revisions=6)
        async with opened(
            tmp_path, retention=retention, retention_interval_s=0.01, now_ms=lambda: clock[0]
        ) as store:

            async def oldest() -> int:
                try:
                    await store.range(b"", revision=1)
                except RevisionCompactedError as error:
                    return error.oldest
                return 1

            async def oldest_becomes(expected: int) -> None:
                async def has_become() -> bool:
                    return await oldest() >= expected

                await eventually_async(has_become)
                assert await oldest() == expected

            for number in range(1, 5):
                await store.transact(put(b"k", b"%d" % number))
                clock[0] += 4000
            # Written at 0, 4, 8 and 12 s; now it is 16 s: two are older than 10 s.
            await oldest_becomes(2)
            for number in range(5, 11):
                await store.transact(put(b"k", b"%d" % number))
            await oldest_becomes(4)
            page = await store.range(b"", revision=4)
            assert [r.value for r in page.records] == [b"4"]

    asyncio.run(main())


def test_history_is_forgotten_by_size_while_it_is_overwritten(tmp_path: Path) -> None:
    async def main() -> None:
        retention = Retention(keep_bytes=4 * 1024 * 1024)
        async with opened(tmp_path, retention=retention, segment_bytes=1024 * 1024) as store:
            for number in range(1_500):
                await store.transact(put(b"k%d" % (number % 3), b"x" * 100_000))

            async def is_forgotten() -> bool:
                with contextlib.suppress(RevisionCompactedError):
                    await store.range(b"", revision=1_440)
                    return False
                return True

            await eventually_async(is_forgotten, within_s=20)
            with pytest.raises(RevisionCompactedError):
                await store.range(b"", revision=1_440)
            with pytest.raises(RevisionCompactedError):
                await anext(aiter(store.watch(b"k", 1_440)))
            # What is younger is there, and the file is far from the 150 MB that were written: how
            # far it grows is what is written between two looks.
            assert len((await store.range(b"", revision=1_495)).records) == 3
        used = (tmp_path / "history.lmdb").stat().st_blocks * 512
        assert used < 100 * 1024 * 1024

    asyncio.run(main())


def test_compaction_returns_the_space(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path, segment_bytes=256 * 1024) as store:
            writes = [store.transact(put(b"k%d" % (n % 10), b"x" * 500)) for n in range(3000)]
            await asyncio.gather(*writes)
            await store.transact(Transaction((), (Delete(b"k8"), Delete(b"k9"))))
            await store.compact(3001)
            assert len((await store.range(b"", revision=3001)).records) == 8
        # Eight versions remain of three thousand, no tombstone, and hardly any log.
        history = History(tmp_path / "history.lmdb", 1 << 30, ring_of(tmp_path).sealer)
        assert history.entry_counts() == (8, 0)
        history.close()
        assert len(list((tmp_path / "wal").glob("*.wal"))) <= 2

    asyncio.run(main())


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as store:
            pass
        for call in (store.get(b"a"), store.range(b""), store.transact(put(b"a"))):
            with pytest.raises(StoreFailedError, match="closed"):
                await call
        await store.close()

    asyncio.run(main())


def test_closing_finishes_what_was_proposed(tmp_path: Path) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        proposals = [asyncio.create_task(store.transact(put(b"k%d" % n))) for n in range(100)]
        await asyncio.sleep(0)
        await store.close()
        assert [await p for p in proposals] == [Committed(n) for n in range(1, 101)]
        async with opened(tmp_path) as again:
            assert again.revision == 100

    asyncio.run(main())


def test_a_cancelled_caller_disturbs_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path) as store:
            proposals = [asyncio.create_task(store.transact(put(b"k%d" % n))) for n in range(10)]
            await asyncio.sleep(0)
            proposals[3].cancel()
            results = await asyncio.gather(*proposals, return_exceptions=True)
            assert sum(isinstance(r, Committed) for r in results) == 9
            assert store.revision == 10

    asyncio.run(main())
