"""Rotation of the keys at rest: under load, and whenever it is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.context import ForkServerContext
from pathlib import Path
from random import Random
from typing import Any

import pytest

from podraft.client.serving.private_files import write_private
from podraft.server.encryption.key_file import beside
from podraft.server.encryption.sealing import new_data_key
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing import resealing
from podraft.server.store.sealing.resealing import PROGRESS_FILE, WANTED_FILE
from support import store_torture
from support.sealed_with import keys_in_use
from support.sealing import ring_of
from support.torture_processes import drain, forking, start
from support.waiting import eventually_async

KILLS = 30
OPTIONS = StoreOptions(
    segment_bytes=16 * 1024,
    history_map_bytes=1 << 20,
    history_flush_interval_s=0.01,
    recent_events=50,
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resealing, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(resealing, "_PAUSE_S", 0.001)
    monkeypatch.setattr(resealing, "_ENTRIES_PER_STEP", 50)


def put(key: bytes, value: bytes) -> Transaction:
    return Transaction((), (Put(key, value, stamped=False),), request=os.urandom(16))


async def rotated(directory: Path) -> None:
    """Rotate, as the command does, and return when the store has finished that."""
    beside(directory).add()
    write_private(directory / WANTED_FILE, b"")
    active = ring_of(directory).data_keys[0]

    def done() -> bool:
        keys = ring_of(directory).data_keys
        return len(keys) == 1 and keys[0] != active and not (directory / PROGRESS_FILE).exists()

    await eventually_async(done, within_s=60)


def test_under_load_everything_is_sealed_anew_and_the_old_key_is_gone(
    tmp_path: Path, quick: None
) -> None:
    directory = tmp_path / "data"
    written: dict[bytes, bytes] = {}

    async def write(store: EmbeddedDatastore, writer: int, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            key, value = b"k/%d/%d" % (writer, number % 50), os.urandom(200)
            await store.transact(put(key, value))
            written[key] = value

    async def main() -> set[bytes]:
        store = await EmbeddedDatastore.open(directory, options=OPTIONS)
        stop = asyncio.Event()
        writers = [asyncio.create_task(write(store, n, stop)) for n in range(8)]
        old = set()
        for _ in range(3):
            old.add(ring_of(directory).data_keys[0].id)
            before = store.revision
            await rotated(directory)
            assert store.revision > before, "writers go on meanwhile"
        stop.set()
        await asyncio.gather(*writers)
        records = (await store.range(b"k/")).records
        assert {record.key: record.value for record in records} == written
        past = await store.range(b"k/", revision=store.revision // 2)
        assert past.records
        await store.close()
        return old

    old = asyncio.run(main())
    ring = ring_of(directory)
    assert keys_in_use(directory) == {ring.data_keys[0].id}
    assert not old & {key.id for key in ring.data_keys}
    again = asyncio.run(contents(directory))
    assert again == written
    # What wraps them is the newest, too: without all older ones it opens.
    lines = beside(directory).path.read_text().splitlines()
    beside(directory).path.write_text("\n".join(lines[:3]))
    assert asyncio.run(contents(directory)) == written


async def contents(directory: Path) -> dict[bytes, bytes]:
    store = await EmbeddedDatastore.open(directory, options=OPTIONS)
    try:
        return {record.key: record.value for record in (await store.range(b"k/")).records}
    finally:
        await store.close()


def test_a_rotation_wanted_while_nothing_runs_happens_on_the_next_start(
    tmp_path: Path, quick: None
) -> None:
    directory = tmp_path / "data"

    async def main() -> None:
        store = await EmbeddedDatastore.open(directory, options=OPTIONS)
        await store.transact(put(b"k/1", b"value"))
        await store.close()
        before = ring_of(directory).data_keys
        write_private(directory / WANTED_FILE, b"")
        store = await EmbeddedDatastore.open(directory, options=OPTIONS)
        await eventually_async(lambda: not set(before) & set(ring_of(directory).data_keys))
        await store.close()

    asyncio.run(main())
    assert asyncio.run(contents(directory)) == {b"k/1": b"value"}


def test_a_key_of_a_snapshot_that_waits_is_not_forgotten(tmp_path: Path, quick: None) -> None:
    """A rotation that ends before the snapshot is installed must not make it unreadable."""
    directory = tmp_path / "data"

    async def main() -> None:
        store = await EmbeddedDatastore.open(directory, options=OPTIONS)
        await store.transact(put(b"k/1", b"value"))
        sender = new_data_key()
        ring = store._resealing._ring
        ring.adopt((sender,))
        ring.rotate()
        await eventually_async(lambda: ring.old_ids == {sender.id})
        ring.installed()
        await eventually_async(lambda: not ring.old_ids)
        await store.close()

    asyncio.run(main())


def test_a_lost_key_file_leaves_the_rotation_for_later_and_the_store_working(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(resealing, "_AGAIN_AFTER_S", 0.01)
    directory = tmp_path / "data"

    async def main() -> None:
        store = await EmbeddedDatastore.open(directory, options=replace(OPTIONS))
        key = beside(directory).path
        key.chmod(0o644)
        write_private(directory / WANTED_FILE, b"")
        await eventually_async(lambda: "are not rotated" in caplog.text)
        assert "chmod 600" in caplog.text
        await store.transact(put(b"k/1", b"value"))
        key.chmod(0o600)
        await eventually_async(lambda: not (directory / WANTED_FILE).exists())
        await store.close()

    asyncio.run(main())
    assert asyncio.run(contents(directory)) == {b"k/1": b"value"}


@pytest.fixture(scope="module")
def forks() -> Iterator[ForkServerContext]:
    with forking() as context:
        yield context


def test_killed_at_any_moment_of_a_rotation_nothing_is_lost_and_the_next_start_goes_on(
    forks: ForkServerContext, tmp_path: Path
) -> None:
    seed = int(os.environ.get("PODRAFT_SEED", "1"))
    print(f"seed {seed}")
    random = Random(seed)
    directory = tmp_path / "data"
    acknowledged: dict[int, tuple[int, int]] = {}
    known: dict[bytes, int] = {}
    actives, in_between = set(), 0
    for number_of_kills in range(4 * KILLS):
        # Where a kill falls depends on the machine; a slow one needs more of them.
        if number_of_kills >= KILLS and in_between >= 3 and len(actives) >= 3:
            break
        process, reader = start(forks, store_torture.rotate_until_killed, str(directory))
        assert reader.poll(30), "the store did not open"
        messages = [reader.recv()]
        # Killed after so many acknowledgements, wherever the rotation is then; in most rounds once
        # it has begun, however quick the machine writes.
        if random.random() < 0.7:
            progress = directory / resealing.PROGRESS_FILE
            while not progress.exists() and reader.poll(30):
                messages.append(reader.recv())
        for _ in range(random.randrange(1, 250)):
            if not reader.poll(30):
                break
            messages.append(reader.recv())
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        messages += drain(reader)
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended by itself"
        revision, records = messages[0]
        store_torture.check_recovered(revision, records, acknowledged, known)
        for key, value, mod_revision in records:
            if key.startswith(b"c/"):
                acknowledged[int(key[2:])] = (int(value), mod_revision)
        for proposer, number, moved in messages[1:]:
            acknowledged[proposer] = (number, moved)
        ring = ring_of(directory)
        actives.add(ring.data_keys[0].id)
        in_between += bool(ring.old_ids)
        assert keys_in_use(directory) <= {key.id for key in ring.data_keys}
    print(f"{len(actives)} keys, {in_between} kills in the middle")
    assert len(actives) >= 3
    assert in_between >= 3
