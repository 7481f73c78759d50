"""A member that is too far behind gets the whole state, in pieces, the past included."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from google_crc32c import value as crc32c

from podraft.server.encryption.key_ring import KeyRing
from podraft.server.encryption.sealing import new_data_key
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.replication.faults import SnapshotError
from podraft.server.replication.log.records import SNAPSHOT_NOTE, decode_base
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.replication.snapshots.snapshot_files import (
    IncomingSnapshot,
    OutgoingSnapshots,
    Snapshot,
    chunks,
    ready_path,
)
from podraft.server.state.datastore import (
    Event,
    EventBatch,
    SlowWatcherError,
)
from podraft.server.state.digests import state_digest
from podraft.server.store.history.history_file import History, HistoryBatch
from podraft.server.store.options import StoreOptions
from support.raft_cluster import QUICK, RaftCluster
from support.sealing import ring_of
from support.secret_search import files_with
from support.store_model import Model, check_watched, random_transaction

SMALL = StoreOptions(
    bookmark_interval_s=0.05,
    recent_events=50,
    segment_bytes=16 * 1024,
    history_map_bytes=64 * 1024,
    history_flush_interval_s=0.01,
)
MARK = SnapshotMark(9, 2, Membership.of((1, 2, 3)))


async def watched(store: RaftDatastore, start: int, through: int) -> list[EventBatch]:
    batches: list[EventBatch] = []
    position = start
    while position < through:
        try:
            watch = store.watch(b"", position)
            async with aclosing(watch) as closing:  # type: ignore[type-var]  # A generator in fact.
                async for batch in closing:
                    batches.append(batch)
                    position = batch.revision
                    if position >= through:
                        break
        except SlowWatcherError:
            continue
    return batches


@pytest.mark.parametrize("seed", range(3))
def test_a_member_far_behind_ends_up_with_the_same_past(
    tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    print(f"seed {seed}")
    random, model = Random(seed), Model()
    keys = [b"k/%d" % n for n in range(20)]
    # The revision of each request's transaction, 0 if it changed nothing.
    requested: dict[bytes, int] = {}

    async def write(store: RaftDatastore, count: int) -> None:
        for _ in range(count):
            request = random.randbytes(16)
            transaction = replace(random_transaction(random, model, keys), request=request)
            before = model.revision
            model.transact(transaction)
            await store.transact(transaction)
            requested[request] = model.revision if model.revision > before else 0

    async def check_requests(store: RaftDatastore) -> None:
        for request, revision in requested.items():
            applied = await store.requested(request)
            assert (applied.revision if applied is not None else 0) == revision

    async def main() -> None:
        options = replace(QUICK, kept_entries=40)
        cluster = RaftCluster(tmp_path / "c", options=options, store_options=SMALL)
        await cluster.start_all()
        behind = next(n for n in cluster.stores if n != cluster.leader)
        await write(cluster.stores[cluster.leader], 50)
        await cluster.stores[behind].caught_up()
        start = model.revision
        watching = asyncio.create_task(watched(cluster.stores[behind], 0, start))
        check_watched(model, b"", 0, await watching, through=start)
        await cluster.stop(behind)
        for _ in range(3):
            await write(cluster.stores[cluster.leader], 150)
        segments = list((tmp_path / "c" / f"m{cluster.leader}" / "raft").glob("*.wal"))
        assert len(segments) < 8, "what is in the history is not kept in the log"
        store = await cluster.start(behind)
        reading = asyncio.create_task(watched(store, start, model.revision))
        await store.caught_up()
        assert store.revision == model.revision
        await check_requests(store)
        check_watched(model, b"", start, await reading, through=model.revision)
        for revision in random.sample(range(1, model.revision), 30):
            page = await store.range(b"", revision=revision)
            assert list(page.records) == model.records(b"", revision)
        # It lives on: what it got is durable, and it takes part.
        await cluster.stop_all()
        await cluster.start_all()
        await check_requests(cluster.stores[behind])
        await write(cluster.stores[behind], 10)
        page = await cluster.stores[behind].range(b"")
        assert list(page.records) == model.records(b"", model.revision)
        assert (page.revision, cluster.stores[behind].revision) == (model.revision,) * 2
        await cluster.stop_all()

    asyncio.run(main())
    assert "has the snapshot" in caplog.text


def receiver(directory: Path) -> KeyRing:
    """Return the keys of who receives, which are others than those of who sends."""
    own = directory / "receiver"
    own.mkdir(exist_ok=True)
    return ring_of(own)


def made(path: Path, random: Random) -> History:
    history = History(path, 1 << 20, ring_of(path.parent).sealer)
    for index in range(1, 10):
        event = Event(index, b"k/%d" % index, random.randbytes(200_000), index, None)
        history.append([HistoryBatch(index, index, 0, (event,))])
    return history


async def outgoing(directory: Path) -> Snapshot:
    history = made(directory / "history.lmdb", Random(1))

    async def copy(path: Path) -> None:
        await asyncio.to_thread(history.copy_to, path)

    snapshots = OutgoingSnapshots(
        directory, copy, lambda index: MARK if index == 9 else None, ring_of(directory)
    )
    async with snapshots.newest() as snapshot:
        history.close()
        return snapshot


def test_a_copy_stays_while_it_is_sent_and_then_leaves(tmp_path: Path) -> None:
    def copies() -> list[str]:
        return [path.name for path in tmp_path.glob("outgoing-*")]

    async def main() -> None:
        history = made(tmp_path / "history.lmdb", Random(1))
        continued = True

        async def copy(path: Path) -> None:
            await asyncio.to_thread(history.copy_to, path)

        snapshots = OutgoingSnapshots(
            tmp_path, copy, lambda _: MARK if continued else None, ring_of(tmp_path)
        )
        async with snapshots.newest() as first:
            await snapshots.forget()
            continued = False
            with pytest.raises(SnapshotError):
                async with snapshots.newest():
                    pass
            # The log does not continue it any more, but it is on its way to somebody.
            assert copies() == [first.path.name]
            continued = True
        async with snapshots.newest() as second, snapshots.newest() as third:
            assert first.path != second.path == third.path
        await snapshots.forget()
        assert not copies()
        history.close()

    asyncio.run(main())


def test_a_broken_transfer_goes_on_where_it_ended(tmp_path: Path) -> None:
    async def main() -> None:
        snapshot = await outgoing(tmp_path)
        sent = 0
        for portion in (3, 2, 100):
            incoming = IncomingSnapshot(
                tmp_path, snapshot.digest, snapshot.size, snapshot.keys, receiver(tmp_path)
            )
            assert incoming.offset == sent
            async for request in chunks(snapshot, incoming.offset):
                await incoming.add(request.data, request.checksum)
                sent += len(request.data)
                portion -= 1
                if not portion:
                    break
            assert incoming.whole == (sent == snapshot.size)
            if incoming.whole:
                await incoming.finish(MARK, ready_path(tmp_path, MARK))
            incoming.close()
        received = History(ready_path(tmp_path, MARK), 1 << 20, receiver(tmp_path).sealer)
        assert (received.applied_index, received.applied_revision) == (9, 9)
        assert decode_base(received.note(SNAPSHOT_NOTE) or b"") == MARK
        assert [record.key for record in received.newest()] == [
            b"k/%d" % n for n in range(9, 0, -1)
        ]
        received.close()

    asyncio.run(main())


def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        snapshot = await outgoing(tmp_path)
        incoming = IncomingSnapshot(
            tmp_path, snapshot.digest, snapshot.size, snapshot.keys, receiver(tmp_path)
        )
        async for request in chunks(snapshot, 0):
            data = bytearray(request.data)
            data[-1] ^= 1
            with pytest.raises(SnapshotError):
                await incoming.add(bytes(data), request.checksum)
            # Damaged before its checksum was made.
            await incoming.add(bytes(data), crc32c(bytes(data)))
        assert incoming.whole
        with pytest.raises(SnapshotError, match="announced"):
            await incoming.finish(MARK, ready_path(tmp_path, MARK))
        assert not ready_path(tmp_path, MARK).exists()
        incoming.close()
        # The next transfer begins anew.
        incoming = IncomingSnapshot(
            tmp_path, snapshot.digest, snapshot.size, snapshot.keys, receiver(tmp_path)
        )
        assert incoming.offset == 0
        incoming.close()

    asyncio.run(main())


def test_a_snapshot_of_a_damaged_state_is_refused(tmp_path: Path) -> None:
    """The sender's file has changed by itself: whoever installed it would be wrong, too."""

    async def main() -> None:
        keys = ring_of(tmp_path).data_keys
        history = made(tmp_path / "history.lmdb", Random(1))
        history.append([HistoryBatch(9, 9, 9, (), digest=state_digest(history.newest()) ^ 1)])
        history.copy_to(tmp_path / "copy.lmdb")
        history.close()
        data = (tmp_path / "copy.lmdb").read_bytes()
        incoming = IncomingSnapshot(
            tmp_path, sha256(data).digest(), len(data), keys, receiver(tmp_path)
        )
        await incoming.add(data, crc32c(data))
        with pytest.raises(SnapshotError, match="the sender's history file is damaged"):
            await incoming.finish(MARK, ready_path(tmp_path, MARK))
        incoming.close()

    asyncio.run(main())
    assert not ready_path(tmp_path, MARK).exists()
    assert not list(tmp_path.glob("*.noting"))


def test_a_snapshot_is_sealed_on_both_sides_and_on_its_way(tmp_path: Path) -> None:
    secret = Random(1).randbytes(200_000)[:64]

    async def main() -> None:
        snapshot = await outgoing(tmp_path)
        incoming = IncomingSnapshot(
            tmp_path, snapshot.digest, snapshot.size, snapshot.keys, receiver(tmp_path)
        )
        async for request in chunks(snapshot, 0):
            assert secret not in request.data
            await incoming.add(request.data, request.checksum)
        assert not files_with(secret, tmp_path)
        await incoming.finish(MARK, ready_path(tmp_path, MARK))
        incoming.close()
        history = History(ready_path(tmp_path, MARK), 1 << 20, receiver(tmp_path).sealer)
        assert any(record.value.startswith(secret) for record in history.newest())
        history.close()

    asyncio.run(main())
    assert not files_with(secret, tmp_path)
    # The keys that came with it are wrapped in the receiver's ring, never open.
    ring = (tmp_path / "receiver" / "keys.json").read_bytes()
    for key in ring_of(tmp_path).data_keys:
        assert key.id.hex().encode() in ring
        assert not files_with(key.secret, tmp_path)


def test_a_snapshot_whose_keys_did_not_come_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        snapshot = await outgoing(tmp_path)
        other = (new_data_key(),)
        incoming = IncomingSnapshot(
            tmp_path, snapshot.digest, snapshot.size, other, receiver(tmp_path)
        )
        async for request in chunks(snapshot, 0):
            await incoming.add(request.data, request.checksum)
        with pytest.raises(SnapshotError, match="which is not known here"):
            await incoming.finish(MARK, ready_path(tmp_path, MARK))
        incoming.close()

    asyncio.run(main())
    assert not ready_path(tmp_path, MARK).exists()


def test_of_another_snapshot_nothing_is_used(tmp_path: Path) -> None:
    async def main() -> None:
        for digest, found in ((bytes(32), 0), (bytes(31) + b"\1", 0), (bytes(31) + b"\1", 3)):
            incoming = IncomingSnapshot(tmp_path, digest, 100, (), receiver(tmp_path))
            assert incoming.offset == found
            await incoming.add(b"abc", crc32c(b"abc"))
            incoming.close()

    asyncio.run(main())
    assert len(list(tmp_path.glob("*.part"))) == 1
