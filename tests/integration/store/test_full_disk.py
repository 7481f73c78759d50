"""A disk that is full, at whatever moment: nothing acknowledged is lost, and it is said plainly."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from podraft.server.state.datastore import Committed, Put, StoreFailedError, Transaction
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from support.sealing import SEALER
from support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.root

OPTIONS = StoreOptions(
    segment_bytes=64 * 1024, history_flush_interval_s=0.002, history_map_bytes=8 * 1024 * 1024
)
WRITERS = 4


async def write_until_full(store: EmbeddedDatastore, book: dict[bytes, bytes], life: int) -> None:
    """Write until the store says that it has stopped, and why."""

    async def write(writer: int) -> StoreFailedError:
        number = 0
        while True:
            number += 1
            key = b"%d/%d/%d" % (life, writer, number)
            try:
                transaction = Transaction((), (Put(key, key * 40, stamped=False),))
                assert isinstance(await store.transact(transaction), Committed)
            except StoreFailedError as error:
                return error
            book[key] = key * 40

    errors = await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
    assert all("No space left on device" in str(error) for error in errors), errors
    assert "No space left on device" in str(await store.failed())


@pytest.mark.parametrize("seed", range(3))
def test_a_store_whose_disk_is_full_stops_and_goes_on_when_there_is_room(
    tmp_path: Path, seed: int
) -> None:
    print(f"seed {seed}")
    random = Random(seed)
    book: dict[bytes, bytes] = {}
    refused = 0

    async def live(disk: SmallDisk, life: int) -> None:
        store = await EmbeddedDatastore.open(disk.path / "data", options=OPTIONS)
        found = {r.key: r.value for r in (await store.range(b"")).records}
        assert book.items() <= found.items(), "acknowledged, and lost"
        assert all(value == key * 40 for key, value in found.items())
        # Not more than what was under way when the disk was full.
        assert len(found) <= len(book) + life * WRITERS
        disk.fill(random.randrange(400 * 1024))
        await write_until_full(store, book, life)
        await store.close()

    with small_disk(tmp_path / "disk") as disk:
        for life in range(1, 9):
            asyncio.run(live(disk, life))
            try:
                # It may start while the disk is full, or says what is wrong.
                store = asyncio.run(reopen(disk.path / "data"))
                assert store >= len(book)
            except StoreOpenError as error:
                refused += 1
                assert "No space left on device" in str(error)
            disk.free()
    assert len(book) > 200
    print(f"{len(book)} acknowledged, {refused} starts refused")


async def reopen(directory: Path) -> int:
    store = await EmbeddedDatastore.open(directory, options=OPTIONS)
    revision = store.revision
    await store.close()
    return revision


def test_no_room_is_taken_in_advance_where_it_is_short(tmp_path: Path) -> None:
    segment_bytes = 1024 * 1024
    with small_disk(tmp_path / "disk") as disk:
        wal = Wal.open(disk.path / "wal", bytes(16), segment_bytes, SEALER)
        assert not list(wal.replay(0))

        def append(payload: bytes) -> None:
            wal.append(wal.frame([payload], 0, wal.next_index), 1)

        disk.fill(left_bytes=2 * segment_bytes - 65536)
        append(bytes(600 * 1024))
        for _ in range(20):
            append(b"")
        assert disk.free_bytes > segment_bytes
        # What is needed is taken all the same.
        append(bytes(600 * 1024))
        disk.fill()
        with pytest.raises(OSError, match="No space left on device"):
            append(bytes(600 * 1024))
        wal.close()
        wal = Wal.open(disk.path / "wal", bytes(16), segment_bytes, SEALER)
        assert len(list(wal.replay(0))) == 22
        wal.close()
