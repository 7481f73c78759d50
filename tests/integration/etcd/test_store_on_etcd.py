"""The store on a real etcd under what the conformance suite does not do to it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.datastore_suite import put, take
from podraft.server.encryption.key_file import beside
from podraft.server.external.address import parse
from podraft.server.external.etcd import EtcdDatastore, open_claimed
from podraft.server.state.datastore import (
    Committed,
    Event,
    EventBatch,
    Guard,
    Put,
    RevisionCompactedError,
    StoreFailedError,
    StoreUnavailableError,
    Transaction,
    TransactionTooLargeError,
)
from support import etcd_process
from support.etcd_process import EtcdProcess, free_port
from support.sealing import SEALER
from support.waiting import eventually_async


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdProcess]:
    # Small enough a limit that a watch's past comes in fragments (it splits at 512 KiB more).
    with etcd_process.running(("--max-request-bytes=65536",)) as running:
        yield running


async def opened(etcd: EtcdProcess, prefix: str) -> EtcdDatastore:
    return await EtcdDatastore.open(parse(f"etcd://{etcd.endpoint}/{prefix}"), SEALER)


def test_no_increment_is_lost_among_concurrent_writers(etcd) -> None:
    async def increment(store: EtcdDatastore, times: int) -> None:
        while times:
            found = await store.get(b"n")
            value, revision = (int(found.value), found.mod_revision) if found else (0, 0)
            outcome = await store.transact(put(b"n", b"%d" % (value + 1), Guard(b"n", revision)))
            times -= isinstance(outcome, Committed)

    async def main() -> None:
        stores = [await opened(etcd, "counter") for _ in range(2)]
        await asyncio.gather(*(increment(store, 5) for store in stores for _ in range(5)))
        record = await stores[1].get(b"n")
        assert record is not None
        assert record.value == b"50"
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_a_long_past_arrives_whole_although_it_comes_in_pieces(etcd) -> None:
    async def main() -> None:
        store = await opened(etcd, "long")
        start = store.revision
        value = b"x" * 20_000
        for number in range(100):
            writes = (Put(b"a/%d" % number, value), Put(b"b/%d" % number, value))
            await store.transact(Transaction((), writes))
        last = store.revision
        other = await opened(etcd, "long")
        batches = await take(other.watch(b"", start), last)
        by_revision: dict[int, list[bytes]] = {}
        for batch in batches:
            within = {event.revision for event in batch.events}
            assert not within & by_revision.keys(), "a revision is torn apart"
            for event in batch.events:
                by_revision.setdefault(event.revision, []).append(event.key)
        assert list(by_revision) == list(range(start + 1, last + 1))
        assert all(len(keys) == 2 for keys in by_revision.values())
        page = await other.range(b"a/", limit=0)
        assert len(page.records) == 100
        for each in (store, other):
            await each.close()

    asyncio.run(main())


def test_a_range_is_read_in_pages_of_one_revision(etcd) -> None:
    async def main() -> None:
        store = await opened(etcd, "pages")
        for start in range(0, 2_100, 100):
            keys = tuple(Put(b"k/%05d" % n, b"") for n in range(start, start + 100))
            await store.transact(Transaction((), keys))
        for limit, expected in ((0, 2_100), (1_500, 1_500), (2_100, 2_100)):
            page = await store.range(b"k/", limit=limit)
            assert [r.key for r in page.records] == [b"k/%05d" % n for n in range(expected)]
            assert page.more == (expected < 2_100)
        await store.close()

    asyncio.run(main())


def test_a_watch_outlives_a_crash_of_etcd_without_gap_or_repetition() -> None:
    async def main(etcd: EtcdProcess) -> None:
        store = await opened(etcd, "crash")
        seen: list[EventBatch] = []

        async def watch() -> None:
            async for batch in store.watch(b"k/", 0):
                seen.append(batch)  # noqa: PERF401 - looked at while it grows

        watching = asyncio.create_task(watch())
        for number in range(10):
            await store.transact(put(b"k/%d" % number))
        etcd.kill()
        with pytest.raises(StoreUnavailableError, match="etcd does not answer"):
            await store.transact(put(b"k/lost"))
        await asyncio.to_thread(etcd.start)
        for number in range(10, 20):
            await store.transact(put(b"k/%d" % number))
        last = store.revision
        await eventually_async(lambda: seen and seen[-1].revision >= last)
        events = [event for batch in seen for event in batch.events]
        assert [event.revision for event in events] == sorted({e.revision for e in events})
        # A write whose outcome was unknown may or may not be there; all others are.
        keys = [event.key for event in events if event.key != b"k/lost"]
        assert keys == [b"k/%d" % n for n in range(20)]
        await store.close()
        await watching

    with etcd_process.running() as etcd:
        asyncio.run(main(etcd))


def test_an_etcd_that_lost_its_state_stops_the_store() -> None:
    async def main(etcd: EtcdProcess) -> None:
        store = await opened(etcd, "lost")
        for number in range(10):
            await store.transact(put(b"k/%d" % number))
        etcd.kill()
        shutil.rmtree(etcd.directory / "etcd")
        await asyncio.to_thread(etcd.start)
        with pytest.raises(StoreFailedError, match="went back from revision"):
            await store.get(b"k/1")
        assert "went back" in str(await asyncio.wait_for(store.failed(), 5))
        await store.close()

    with etcd_process.running() as etcd:
        asyncio.run(main(etcd))


def test_a_reader_whom_compaction_overtakes_is_told_and_can_list_again() -> None:
    async def follow(store: EtcdDatastore) -> bytes:
        """List, watch, and list again when told to: what every client does."""
        while True:
            page = await store.range(b"")
            if page.records and page.records[0].value == b"last":
                return page.records[0].value
            with contextlib.suppress(RevisionCompactedError):
                for batch in await take(store.watch(b"", page.revision), page.revision + 1):
                    assert all(event.revision > page.revision for event in batch.events)

    async def main(etcd: EtcdProcess) -> None:
        store, other = await opened(etcd, "both"), await opened(etcd, "both")
        following = asyncio.create_task(follow(store))
        for number in range(20):
            await other.transact(put(b"a", b"%d" % number))
            await other.compact(other.revision)
        await other.transact(put(b"a", b"last"))
        assert await asyncio.wait_for(following, 20) == b"last"
        for each in (store, other):
            await each.close()

    with etcd_process.running() as etcd:
        asyncio.run(main(etcd))


def test_prefixes_do_not_see_each_other_and_foreign_keys_are_refused(etcd, tmp_path: Path) -> None:
    async def main() -> None:
        one = await open_claimed(parse(f"etcd://{etcd.endpoint}/one"), beside(tmp_path / "data"))
        two = await open_claimed(
            parse(f"etcd://{etcd.endpoint}/one-two"), beside(tmp_path / "data")
        )
        again = await open_claimed(parse(f"etcd://{etcd.endpoint}/one"), beside(tmp_path / "data"))
        assert one.cluster_id == again.cluster_id != two.cluster_id
        await one.transact(put(b"a"))
        assert not (await two.range(b"")).records
        # Below this prefix something else lies: the state of the first one.
        nested = await opened(etcd, "one/store")
        await one.transact(put(b"store/b", b"v"))
        with pytest.raises(StoreFailedError, match="prefix"):
            await (await _raw(etcd, nested)).get(b"b")
        for each in (one, two, again, nested):
            await each.close()

    async def _raw(etcd: EtcdProcess, store: EtcdDatastore) -> EtcdDatastore:
        from podraft.internal.etcd.v3 import etcd_pb2

        request = etcd_pb2.TxnRequest()
        request.success.add().request_put.MergeFrom(
            etcd_pb2.PutRequest(key=b"/one/store/store/b", value=b"foreign")
        )
        await store._txn(request, repeatable=False)
        return store

    asyncio.run(main())


def test_too_many_bytes_are_refused_with_the_flag_that_helps(etcd) -> None:
    async def main() -> None:
        store = await opened(etcd, "bytes")
        for size in (100_000, 4_000_000):
            with pytest.raises(TransactionTooLargeError, match="--max-request-bytes"):
                await store.transact(put(b"a", b"x" * size))
        assert await store.get(b"a") is None
        await store.close()

    asyncio.run(main())


def test_another_member_is_asked_when_one_does_not_answer(etcd) -> None:
    async def main() -> None:
        dead = f"127.0.0.1:{free_port()}"
        store = await EtcdDatastore.open(parse(f"etcd://{dead},{etcd.endpoint}/members"), SEALER)
        assert isinstance(await store.transact(put(b"a")), Committed)
        await store.close()

    asyncio.run(main())


def test_members_may_die_in_turn_and_nothing_acknowledged_is_lost_or_repeated() -> None:
    async def main(members: list[EtcdProcess]) -> None:
        endpoints = ",".join(member.endpoint for member in members)
        store = await EtcdDatastore.open(parse(f"etcd://{endpoints}/turn"), SEALER)
        events: list[Event] = []

        async def watch() -> None:
            async for batch in store.watch(b"k/", 0):
                events.extend(batch.events)

        watching = asyncio.create_task(watch())
        acknowledged: dict[bytes, int] = {}
        unknown = set()

        async def write(number: int) -> bool:
            key = b"k/%04d" % number
            try:
                outcome = await store.transact(put(key, b"v", Guard(key, 0)))
            except StoreUnavailableError:
                unknown.add(key)
                return False
            assert isinstance(outcome, Committed)
            acknowledged[key] = outcome.revision
            return True

        number = 0
        for member in members:
            for _ in range(20):
                number += 1
                assert await write(number)
            member.kill()
            # Whichever member was asked, writes go on soon.
            for _ in range(20):
                number += 1
                if await write(number):
                    break
            else:
                raise AssertionError("no write was acknowledged by the other two")
            await asyncio.to_thread(member.start)
        await eventually_async(lambda: len(events) >= len(acknowledged))
        await store.close()
        await watching
        seen = {event.key: event.revision for event in events}
        assert len(seen) == len(events), "an event came twice"
        assert {key: seen.get(key) for key in acknowledged} == acknowledged
        assert seen.keys() - acknowledged.keys() <= unknown

    with etcd_process.running_cluster() as members:
        asyncio.run(main(members))
