"""What every ``Datastore`` must do; subclasses say how one is opened.

Written against the protocol alone: embedded, Raft and etcd run the same tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from random import Random
from typing import Any, TypeAlias

import pytest

from podraft.api.core.v1 import config_pb2
from podraft.server.state.datastore import (
    Committed,
    Datastore,
    Delete,
    EventBatch,
    FutureRevisionError,
    Guard,
    GuardFailed,
    Put,
    Repeated,
    RevisionCompactedError,
    Transaction,
)
from support.store_model import Model, check_watched, outcome_of, random_transaction

# Opens the store of this test; opening it again finds what the last one left.
OpenStore: TypeAlias = Callable[[], AbstractAsyncContextManager[Datastore]]


def put(key: bytes, value: bytes = b"v", *guards: Guard) -> Transaction:
    return Transaction(guards, (Put(key, value, stamped=False),))


def delete(*keys: bytes) -> Transaction:
    return Transaction((), tuple(Delete(key) for key in keys))


async def take(watch: AsyncIterator[EventBatch], through: int) -> list[EventBatch]:
    """Read until ``through`` is reached, then close the watch."""
    batches: list[EventBatch] = []

    async def read() -> None:
        async with aclosing(watch) as closing:  # type: ignore[type-var]  # A generator in fact.
            async for batch in closing:
                batches.append(batch)
                if batch.revision >= through:
                    return

    await asyncio.wait_for(read(), 20)
    return batches


def keys_of(batches: list[EventBatch]) -> list[tuple[int, bytes, bool]]:
    return [(e.revision, e.key, e.value is not None) for batch in batches for e in batch.events]


class DatastoreSuite:
    """The conformance tests."""

    # Whether transactions that are submitted at once take effect in the order of submission.
    keeps_submission_order = True

    @pytest.fixture
    def open_store(self, tmp_path: Any) -> OpenStore:
        raise pytest.UsageError("a subclass opens its store")

    def test_a_new_store_is_empty_at_revision_zero(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                assert store.revision == 0
                assert await store.get(b"a") is None
                page = await store.range(b"")
                assert (list(page.records), page.revision, page.more) == ([], 0, False)

        asyncio.run(main())

    def test_every_write_takes_the_next_revision(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                assert await store.transact(put(b"a")) == Committed(1)
                assert await store.transact(put(b"b")) == Committed(2)
                assert await store.transact(put(b"a", b"w")) == Committed(3)
                record = await store.get(b"a")
                assert record is not None
                assert (record.value, record.create_revision, record.mod_revision) == (b"w", 1, 3)

        asyncio.run(main())

    def test_a_transaction_that_changes_nothing_takes_no_revision(
        self, open_store: OpenStore
    ) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"a"))
                assert await store.transact(delete(b"absent")) == Committed(1)
                assert await store.transact(Transaction((Guard(b"a", 1),), ())) == Committed(1)
                assert store.revision == 1

        asyncio.run(main())

    def test_all_writes_of_a_transaction_share_its_revision(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"old"))
                writes = (Put(b"x", b"1"), Put(b"y", b"2"), Delete(b"old"))
                assert await store.transact(Transaction((), writes)) == Committed(2)
                records = (await store.range(b"")).records
                assert [(r.key, r.mod_revision) for r in records] == [(b"x", 2), (b"y", 2)]

        asyncio.run(main())

    def test_a_request_takes_effect_once_also_after_a_restart(self, open_store: OpenStore) -> None:
        async def main() -> None:
            first, other = (
                Transaction(
                    (Guard(b"a", 0),),
                    (Put(b"a", b"1"), Put(b"b", b"1")),
                    b"me",
                    name * 16,
                    digest,
                )
                for name, digest in ((b"f", b"d" * 16), (b"o", b""))
            )
            async with open_store() as store:
                assert await store.requested(first.request) is None
                assert await store.transact(first) == Committed(1)
                once = Repeated(1, first.digest)
                assert await store.transact(first) == once
                assert await store.transact(put(b"a", b"2")) == Committed(2)
                # Whatever it wants now, it is told what was wanted then.
                assert await store.transact(replace(first, digest=b"e" * 16)) == once
                assert isinstance(await store.transact(other), GuardFailed)
                assert await store.transact(delete(b"a")) == Committed(3)
            async with open_store() as store:
                # The guard holds again, and still nothing happens.
                assert await store.transact(first) == once
                assert await store.requested(first.request) == once
                assert await store.get(b"a") is None
                assert await store.requested(other.request) is None
                assert await store.transact(other) == Committed(4)
                await store.compact(4)
            async with open_store() as store:
                assert await store.transact(first) == once
                assert await store.transact(other) == Repeated(4)
                assert store.revision == 4

        asyncio.run(main())

    def test_repetitions_at_the_same_time_take_effect_once(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                repeated = [
                    Transaction((), (Put(b"k%d" % n, b""),), b"", b"%016d" % n)
                    for n in range(10)
                    for _ in range(3)
                ]
                Random(3).shuffle(repeated)
                outcomes = await asyncio.gather(*(store.transact(each) for each in repeated))
                assert store.revision == 10
                for number in range(10):
                    own = [
                        outcome
                        for outcome, each in zip(outcomes, repeated, strict=True)
                        if each.request == b"%016d" % number
                    ]
                    (first,) = (each for each in own if isinstance(each, Committed))
                    assert own.count(Repeated(first.revision)) == 2

        asyncio.run(main())

    def test_a_failed_guard_changes_nothing_and_says_what_it_met(
        self, open_store: OpenStore
    ) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"a"))
                found = await store.get(b"a")
                for guard, met in (
                    (Guard(b"a", 0), found),
                    (Guard(b"a", 9), found),
                    (Guard(b"absent", 1), None),
                ):
                    holds = Guard(b"a", 1)
                    outcome = await store.transact(put(b"new", b"v", holds, guard))
                    assert outcome == GuardFailed(guard, met)
                assert store.revision == 1
                assert await store.get(b"new") is None

        asyncio.run(main())

    def test_of_concurrent_creators_exactly_one_wins(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                create = [put(b"a", b"%d" % n, Guard(b"a", 0)) for n in range(50)]
                outcomes = await asyncio.gather(*(store.transact(t) for t in create))
                winners = [n for n, o in enumerate(outcomes) if isinstance(o, Committed)]
                assert len(winners) == 1
                record = await store.get(b"a")
                assert record is not None
                assert record.value == b"%d" % winners[0]

        asyncio.run(main())

    def test_a_stamped_object_carries_its_revision(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                for revision in (1, 2):
                    sent = config_pb2.ConfigMap(data={"k": str(revision)})
                    sent.metadata.name = "settings"
                    sent.metadata.resource_version = "stale"
                    value = sent.SerializeToString()
                    await store.transact(Transaction((), (Put(b"configmaps/d/settings", value),)))
                    record = await store.get(b"configmaps/d/settings")
                    assert record is not None
                    stored = config_pb2.ConfigMap.FromString(record.value)
                    sent.metadata.resource_version = str(revision)
                    assert stored == sent

        asyncio.run(main())

    def test_malformed_transactions_are_refused_and_change_nothing(
        self, open_store: OpenStore
    ) -> None:
        async def main() -> None:
            async with open_store() as store:
                twice = (Put(b"a", b""), Delete(b"a"))
                for bad in (
                    put(b""),
                    put(b"k" * 481),
                    put(b"a\0b"),
                    put(b"a", b"", Guard(b"", 0)),
                    Transaction((), twice),
                ):
                    with pytest.raises(ValueError, match=r"key"):
                        await store.transact(bad)
                assert store.revision == 0

        asyncio.run(main())

    def test_ranges_are_ordered_and_cut_by_prefix_start_and_limit(
        self, open_store: OpenStore
    ) -> None:
        async def main() -> None:
            keys = [b"a", b"a/", b"a/1", b"a/10", b"a/2", b"a/\xff", b"a/\xff\xff", b"a0", b"b/1"]
            async with open_store() as store:
                await store.transact(Transaction((), tuple(Put(k, b"") for k in keys[::-1])))
                await store.transact(put(b"later"))
                for revision in (0, 1):
                    for prefix in (b"", b"a", b"a/", b"a/1", b"a/\xff", b"z", b"\xff"):
                        for start in (b"", b"A", b"a", b"a/1", b"a/15", b"a/\xff", b"zz"):
                            expected = [k for k in keys if k.startswith(prefix) and k > start]
                            if not revision and b"later".startswith(prefix) and start < b"later":
                                expected.append(b"later")
                            for limit in (0, 1, 3):
                                page = await store.range(
                                    prefix, start_after=start, limit=limit, revision=revision
                                )
                                cut = expected[:limit] if limit else expected
                                assert [r.key for r in page.records] == cut
                                assert page.more == (len(cut) < len(expected))
                                assert page.revision == (revision or 2)

        asyncio.run(main())

    def test_pages_at_one_revision_are_one_snapshot(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                for number in range(9):
                    await store.transact(put(b"k/%d" % number, b"old"))
                page = await store.range(b"k/", limit=3)
                pages = [page]
                while page.more:
                    # What happens between pages is not seen by the next one.
                    await store.transact(put(b"k/%d" % (10 - len(pages)), b"new"))
                    await store.transact(delete(b"k/8"))
                    page = await store.range(
                        b"k/", start_after=page.records[-1].key, limit=3, revision=pages[0].revision
                    )
                    pages.append(page)
                records = [r for p in pages for r in p.records]
                assert [r.key for r in records] == [b"k/%d" % n for n in range(9)]
                assert {r.value for r in records} == {b"old"}

        asyncio.run(main())

    def test_reading_a_revision_that_is_not_reached_fails(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"a"))
                with pytest.raises(FutureRevisionError):
                    await store.range(b"", revision=2)
                with pytest.raises(FutureRevisionError):
                    await take(store.watch(b"", 2), 3)
                with pytest.raises(FutureRevisionError):
                    await store.compact(2)

        asyncio.run(main())

    def test_a_watch_yields_the_past_and_then_what_happens(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"p/1"))
                await store.transact(put(b"q/1"))
                reading = asyncio.create_task(take(store.watch(b"p/", 0), 5))
                await asyncio.sleep(0)
                await store.transact(put(b"p/2"))
                await store.transact(put(b"q/2"))
                await store.transact(delete(b"p/1", b"q/1"))
                assert keys_of(await reading) == [
                    (1, b"p/1", True),
                    (3, b"p/2", True),
                    (5, b"p/1", False),
                ]

        asyncio.run(main())

    def test_an_idle_watcher_learns_that_the_revision_advances(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                reading = asyncio.create_task(take(store.watch(b"p/", 0), 2))
                await store.transact(put(b"q/1"))
                await store.transact(put(b"q/2"))
                batches = await reading
                assert keys_of(batches) == []
                assert batches[-1].revision == 2

        asyncio.run(main())

    def test_a_watch_ends_when_the_store_closes(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"a"))
                reading = asyncio.create_task(self._watch(store, b"", 0))
                await store.transact(put(b"b"))
            seen = await asyncio.wait_for(reading, 10)
            assert keys_of(seen) == [(1, b"a", True), (2, b"b", True)]

        asyncio.run(main())

    def test_compaction_forgets_the_past_and_keeps_the_rest(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                for value in (b"1", b"2", b"3"):
                    await store.transact(put(b"a", value))  # 1..3
                await store.transact(put(b"gone"))  # 4
                await store.transact(delete(b"gone"))  # 5
                await store.transact(put(b"a", b"6"))
                await store.compact(5)
                await store.compact(5)
                with pytest.raises(RevisionCompactedError) as error:
                    await store.range(b"", revision=4)
                assert error.value.oldest == 5
                with pytest.raises(RevisionCompactedError):
                    await take(store.watch(b"", 4), 6)
                page = await store.range(b"", revision=5)
                assert [(r.key, r.value) for r in page.records] == [(b"a", b"3")]
                assert keys_of(await take(store.watch(b"", 5), 6)) == [(6, b"a", True)]
                assert [r.value for r in (await store.range(b"")).records] == [b"6"]

        asyncio.run(main())

    def test_everything_survives_a_restart(self, open_store: OpenStore) -> None:
        async def main() -> None:
            async with open_store() as store:
                await store.transact(put(b"a", b"1"))
                await store.transact(put(b"a", b"2"))
                await store.transact(put(b"b", b"3"))
                await store.transact(delete(b"b"))
            async with open_store() as store:
                assert store.revision == 4
                record = await store.get(b"a")
                assert record is not None
                assert (record.value, record.create_revision, record.mod_revision) == (b"2", 1, 2)
                assert [r.value for r in (await store.range(b"", revision=1)).records] == [b"1"]
                assert len(keys_of(await take(store.watch(b"", 0), 4))) == 4
                assert await store.transact(put(b"c", b"", Guard(b"b", 0))) == Committed(5)

        asyncio.run(main())

    @pytest.mark.parametrize("seed", range(4))
    def test_random_transactions_agree_with_the_model(
        self, open_store: OpenStore, seed: int
    ) -> None:
        print(f"seed {seed}")
        random = Random(seed)
        model = Model()
        keys = [b"%s/%d" % (head, n) for head in (b"p", b"q", b"pp") for n in range(6)]
        prefixes = (b"", b"p", b"p/", b"q/", b"p/1")

        async def check(store: Datastore) -> None:
            for revision in random.sample(range(model.revision + 1), min(8, model.revision)):
                for prefix in prefixes:
                    page = await store.range(prefix, revision=revision)
                    assert list(page.records) == model.records(prefix, revision or model.revision)
                start = random.randrange(model.revision)
                prefix = random.choice(prefixes)
                batches = await take(store.watch(prefix, start), model.revision)
                check_watched(model, prefix, start, batches, through=model.revision)

        async def main() -> None:
            for _ in range(3):
                async with open_store() as store:
                    start = model.revision
                    watches = {
                        prefix: asyncio.create_task(self._watch(store, prefix, start))
                        for prefix in prefixes
                    }
                    for _ in range(60):
                        batch = []
                        for _ in range(random.randint(1, 5)):
                            transaction = random_transaction(random, model, keys)
                            batch.append((transaction, model.transact(transaction)))
                        if self.keeps_submission_order:
                            outcomes = await asyncio.gather(*(store.transact(t) for t, _ in batch))
                        else:
                            outcomes = [await store.transact(t) for t, _ in batch]
                        for outcome, (_, (holds, revision)) in zip(outcomes, batch, strict=True):
                            expected = (True, revision) if holds else (False, None)
                            assert outcome_of(outcome) == expected
                    assert store.revision == model.revision
                    await check(store)
                for prefix, watching in watches.items():
                    seen = await watching
                    check_watched(model, prefix, start, seen, through=model.revision)

        asyncio.run(main())

    async def _watch(self, store: Datastore, prefix: bytes, start: int) -> list[EventBatch]:
        return [batch async for batch in store.watch(prefix, start)]
