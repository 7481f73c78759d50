"""Power loss: only what was synced is left, and that is all that was acknowledged."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from podraft.server.encryption.key_file import beside
from podraft.server.state.datastore import Committed, Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support.store_disk import DurableCopy

# The history file stays as it is when the store opens: all depends on the log.
OPTIONS = StoreOptions(segment_bytes=2048, history_flush_interval_s=1000.0)
FILES = ("history.lmdb", "keys.json")


def test_what_was_acknowledged_is_on_disk_at_the_moment_of_its_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = 5
    print(f"seed {seed}")
    random = Random(seed)
    live = tmp_path / "live"
    disk = DurableCopy(live / "wal", monkeypatch)
    acknowledged: dict[bytes, int] = {}
    losses: list[tuple[Path, dict[bytes, int]]] = []

    async def write(store: EmbeddedDatastore, writer: int) -> None:
        for number in range(40):
            key = b"%d/%d" % (writer, number)
            value = key * random.randint(1, 40)
            outcome = await store.transact(Transaction((), (Put(key, value, stamped=False),)))
            assert isinstance(outcome, Committed)
            acknowledged[key] = outcome.revision
            if random.random() < 0.3:
                lost = tmp_path / f"lost-{len(losses)}"
                lost.mkdir()
                for name in FILES:
                    shutil.copy(tmp_path / name, lost)
                disk.lose_power(lost / "wal")
                losses.append((lost, dict(acknowledged)))

    async def main() -> None:
        options = replace(OPTIONS, keys=beside(live))
        store = await EmbeddedDatastore.open(live, options=options)
        for name in FILES:
            shutil.copy(live / name, tmp_path)
        await asyncio.gather(*(write(store, writer) for writer in range(5)))
        await store.close()
        assert len(losses) > 20
        for lost, expected in losses:
            recovered = await EmbeddedDatastore.open(lost, options=options)
            records = (await recovered.range(b"")).records
            found = {record.key: record.mod_revision for record in records}
            assert expected.items() <= found.items()
            assert recovered.revision == len(found)
            await recovered.close()

    asyncio.run(main())


def test_transactions_that_wait_together_share_one_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    sync = os.fdatasync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        sync(descriptor)

    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        monkeypatch.setattr(os, "fdatasync", counted)
        await asyncio.gather(
            *(store.transact(Transaction((), (Put(b"%d" % n, b""),))) for n in range(500))
        )
        await store.close()

    asyncio.run(main())
    assert 1 <= len(syncs) <= 2
