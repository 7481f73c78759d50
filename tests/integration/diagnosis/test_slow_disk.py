"""A disk that stalls: the server warns, once, and another member leads before long."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from podraft.server.diagnosis.disk_watch import DiskWatch
from podraft.server.raft.options import RaftOptions
from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.raft_cluster import RaftCluster
from support.waiting import eventually_async

_LOOK_S = 0.05


class SlowDisks:
    """Makes every sync below some directories take longer; install it before they are used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slow: dict[Path, float] = {}
        monkeypatch.setattr(os, "fdatasync", self._following(os.fdatasync))

    def _following(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def synced(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            time.sleep(sum(s for slow, s in self.slow.items() if path.is_relative_to(slow)))
            sync(descriptor)

        return synced


async def _write_until(store: EmbeddedDatastore, condition: Callable[[], bool]) -> None:
    number = 0
    while not condition():
        number += 1
        await store.transact(Transaction((), (Put(b"k", b"%d" % number),)))


def test_a_server_warns_once_when_its_disk_becomes_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    disks = SlowDisks(monkeypatch)

    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path / "store")
        watch = DiskWatch(store, None, _LOOK_S)
        await store.transact(Transaction((), (Put(b"k", b"v"),)))
        assert not watch.slow
        disks.slow[tmp_path] = 0.6
        await asyncio.wait_for(_write_until(store, lambda: watch.slow), 20)
        disks.slow.clear()
        await store.transact(Transaction((), (Put(b"k", b"v"),)))
        watch.stop()
        await store.close()

    asyncio.run(main())
    warnings = [record for record in caplog.records if "is slow" in record.message]
    assert len(warnings) == 1
    assert str(tmp_path / "store") in warnings[0].message


def test_a_leader_whose_disk_stalls_hands_over_to_a_member_that_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    disks = SlowDisks(monkeypatch)
    options = MemberOptions(tick_s=0.02, raft=RaftOptions(election_ticks=25), probe_s=_LOOK_S)

    async def main() -> None:
        cluster = RaftCluster(tmp_path, options=options)
        await cluster.start_all()
        watches = {
            number: DiskWatch(store.member, store.member, _LOOK_S)
            for number, store in cluster.stores.items()
        }
        first = cluster.leader
        # One of the others has a slow disk, too: it must not be the heir.
        slow, well = (number for number in cluster.stores if number != first)
        disks.slow[tmp_path / f"m{first}"] = 0.7
        disks.slow[tmp_path / f"m{slow}"] = 0.7

        async def write() -> None:
            while True:
                await cluster.stores[first].transact(Transaction((), (Put(b"k", b"v"),)))

        writing = asyncio.create_task(write())
        await eventually_async(lambda: cluster.leader == well, within_s=30)
        assert watches[first].slow and watches[slow].slow
        await eventually_async(lambda: cluster.stores[first].member.status.leader == well)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        disks.slow.clear()
        for watch in watches.values():
            watch.stop()
        await cluster.stop_all()

    asyncio.run(main())
    assert caplog.text.count("another one leads now") == 1
