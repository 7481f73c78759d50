"""Servers that ran before and find nothing, or only a part: they say so and change nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_cluster.server_process import ServerProcess
from podraft.server.auth.pki import ensure_pki
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.replication.log.records import SNAPSHOT_NOTE, encode_base
from podraft.server.replication.opening.member_recovery import recover_member
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.history.history_file import History, HistoryBatch
from podraft.server.store.options import StoreOptions
from support.sealing import ring_of

MEMBERS = Membership.of((1, 2, 3))
CLUSTER = bytes(16)


def refused(data: Path, *arguments: str) -> str:
    """Start a server that does not start, and return the one line that it says."""
    command = [sys.executable, "-m", "podraft.server.app", f"--data-dir={data}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_server_whose_state_is_gone_does_not_begin_with_an_empty_cluster(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data) as server:
        assert server.port
    shutil.rmtree(data / "store")
    said = refused(data)
    assert f"{data}/store is missing or empty" in said
    assert "Restore a backup" in said
    assert not (data / "store").exists()


def test_a_member_whose_disk_was_lost_is_not_a_founder_again(tmp_path: Path) -> None:
    ensure_pki(tmp_path / "pki", addresses=())
    (tmp_path / "admin.conf").write_text("")
    members = "--members=a=127.0.0.1:1,b=127.0.0.1:2,c=127.0.0.1:3"
    said = refused(tmp_path, members, "--member-name=a")
    assert "is missing or empty" in said
    assert "podraft member remove" in said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("restored", [False, True])
def test_a_members_state_without_its_log_is_refused(tmp_path: Path, restored: bool) -> None:
    history = History(tmp_path / "history.lmdb", 1 << 20, ring_of(tmp_path).sealer)
    assert history.cluster_id(lambda: CLUSTER) == CLUSTER
    if restored:
        # Its state came as a snapshot, and its log, with its votes, had been there before.
        history.set_note(SNAPSHOT_NOTE, encode_base(SnapshotMark(9, 2, MEMBERS)))
    else:
        history.append([applied(7)])
    history.close()
    for _ in range(2):
        with pytest.raises(StoreOpenError, match="the log is missing"):
            recover_member(tmp_path, CLUSTER, MEMBERS, StoreOptions())


def applied(index: int) -> HistoryBatch:
    return HistoryBatch(index, 0, 0, ())
