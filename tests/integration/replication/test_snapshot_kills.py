"""``kill -9`` while snapshots are made, sent, received and installed: nothing is lost."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from random import Random

from podraft.server.store.options import StoreOptions
from support.member_process import Acknowledged, MemberProcess
from support.raft_cluster import QUICK, RaftCluster
from support.waiting import eventually

SEED = 3
KILLS = 8
# So little of the log is kept that whoever was away needs a snapshot.
OPTIONS = replace(QUICK, kept_entries=40)
STORE = StoreOptions(
    segment_bytes=64 * 1024, history_flush_interval_s=0.01, history_map_bytes=1 << 20
)


def test_kills_in_the_middle_of_snapshots_lose_nothing(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    random = Random(SEED)
    cluster = RaftCluster(tmp_path / "c", options=OPTIONS, store_options=STORE)
    acknowledged = Acknowledged()
    members = [MemberProcess(cluster.config(number), acknowledged) for number in (1, 2, 3)]
    try:
        for member in members:
            member.start()
        for _ in range(KILLS):
            victim = random.choice(members)
            kill(victim)
            await_writes(acknowledged, 150)
            victim.start()
            # From before it has opened its files to after it has taken a snapshot.
            time.sleep(0.7 * random.random())
            other = random.choice([member for member in members if member is not victim])
            again = victim if random.random() < 0.6 else other
            kill(again)
            again.start()
            await_writes(acknowledged, 20)
        for member in members:
            member.finish_writing()
        eventually(lambda: all(member.contents for member in members), within_s=30)
        # All have finished writing when the last has told: now they must be equal.
        for member in members:
            member.finish_writing()
        eventually(lambda: len({repr(member.contents) for member in members}) == 1, within_s=30)
        revision, records = members[0].contents or (0, [])
    finally:
        for member in members:
            member.kill()
    written = acknowledged.revisions
    found = {key: mod_revision for key, _, mod_revision in records}
    lost = [key for key, at in written.items() if found.get(key) != at]
    assert not lost, f"acknowledged, and lost or moved: {lost[:10]}"
    assert all(value == key * 20 for key, value, _ in records), "nobody wrote this"
    assert sorted(found.values()) == list(range(1, revision + 1))
    snapshots = sum(member.log.count("has the snapshot") for member in members)
    print(f"{len(written)} acknowledged, {len(found)} found, {snapshots} snapshots")
    assert snapshots > KILLS // 4


def kill(member: MemberProcess) -> None:
    said = member.kill()
    assert not said, f"it ended by itself: {said}"


def await_writes(acknowledged: Acknowledged, count: int) -> None:
    target = len(acknowledged.revisions) + count
    eventually(lambda: len(acknowledged.revisions) >= target, within_s=30)
