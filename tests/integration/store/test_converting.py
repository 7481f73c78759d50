"""A server alone becomes a group's first member: whatever happens, nothing is lost."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from podraft.server.encryption.key_file import beside
from podraft.server.raft.entries import Membership
from podraft.server.replication.core.roster import Peer, Roster
from podraft.server.replication.opening import converting, member_identity
from podraft.server.replication.opening.member_identity import MemberIdentity
from podraft.server.replication.opening.member_recovery import recover_member
from podraft.server.state.datastore import Delete, Put, Record, Transaction
from podraft.server.store.applied.recovery import recover
from podraft.server.store.backup import backups
from podraft.server.store.backup.backup_format import BackupEncoder, BackupFacts, new_backup_key
from podraft.server.store.directory import StoreOpenError, sync_directory
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions

OPTIONS = StoreOptions()
ME = Peer(5, "a", "h:1")
MEMBERS = Membership.of((5,), (), Roster.of((ME,)).encode())


class PowerLossError(Exception):
    """The process ends here."""


async def filled(directory: Path) -> None:
    store = await EmbeddedDatastore.open(directory)
    for number in range(50):
        key = b"k/%03d" % (number % 20)
        write: Put | Delete = Put(key, b"v%d" % number) if number % 7 else Delete(key)
        await store.transact(Transaction((), (write,)))
    await store.close()


def state_of_one_alone(directory: Path) -> tuple[bytes, int, list[Record], list[Record]]:
    opened = recover(directory, OPTIONS)
    try:
        past, _ = opened.history.range(b"", b"", 0, 25)
        records, _ = opened.keyspace.range(b"", b"", 0)
        return opened.cluster_id, opened.keyspace.revision, records, past
    finally:
        opened.wal.close()
        opened.history.close()
        opened.lock.release()


def state_of_a_member(
    directory: Path, cluster_id: bytes
) -> tuple[bytes, int, list[Record], list[Record]]:
    member = recover_member(directory, cluster_id, Membership.of(()), OPTIONS)
    opened = member.applied
    try:
        assert member.restored.mark.membership == MEMBERS
        # Whoever joins needs a snapshot: the log has nothing of what is before it.
        assert member.restored.mark.index == opened.history.applied_index > 0
        past, _ = opened.history.range(b"", b"", 0, 25)
        records, _ = opened.keyspace.range(b"", b"", 0)
        return opened.cluster_id, opened.keyspace.revision, records, past
    finally:
        opened.wal.close()
        opened.history.close()
        opened.lock.release()


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    asyncio.run(filled(tmp_path / "store"))
    return tmp_path / "store"


def test_a_converted_store_is_the_same_to_everybody_above_it(alone: Path) -> None:
    before = state_of_one_alone(alone)
    assert converting.cluster_of(alone, OPTIONS) == before[0]
    converting.convert(alone, MEMBERS, OPTIONS)
    assert not (alone / "wal").exists()
    assert state_of_a_member(alone, before[0]) == before
    # Again: nothing is left to do.
    converting.convert(alone, MEMBERS, OPTIONS)
    assert state_of_a_member(alone, before[0]) == before


@pytest.mark.parametrize("step", range(4))
def test_a_crash_at_any_step_is_finished_by_the_next_start(
    alone: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = state_of_one_alone(alone)
    steps = 0

    def crash_at(path: Path) -> None:
        nonlocal steps
        sync_directory(path)
        if steps == step:
            raise PowerLossError
        steps += 1

    # Each directory that is made durable ends a step; the last one is the removal of ``wal``.
    monkeypatch.setattr(converting, "sync_directory", crash_at)
    if step == 3:
        monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: crash_at(alone))
        steps = 1
    with pytest.raises(PowerLossError):
        converting.convert(alone, MEMBERS, OPTIONS)
    monkeypatch.undo()
    converting.convert(alone, MEMBERS, OPTIONS)
    assert not (alone / "wal").exists()
    assert state_of_a_member(alone, before[0]) == before


def test_a_restored_backup_becomes_a_first_member_too(alone: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup"

    async def back_up() -> None:
        store = await EmbeddedDatastore.open(alone)
        facts = BackupFacts(store.cluster_id, store.revision, 0)
        encoder = BackupEncoder(facts, new_backup_key(beside(alone)))
        with path.open("wb") as file:
            async for chunk in backups.chunks(store, encoder, store.revision):
                file.write(chunk)
        await store.close()

    asyncio.run(back_up())
    restored = tmp_path / "restored"
    _, revision = backups.restore(path, restored, backup_keys=beside(alone))
    cluster_id = converting.cluster_of(restored, OPTIONS)
    converting.convert(restored, MEMBERS, OPTIONS)
    _, found, records, _ = state_of_a_member_at(restored, cluster_id)
    assert found == revision
    assert {record.key for record in records} == {
        record.key for record in state_of_one_alone(alone)[2]
    }


def state_of_a_member_at(
    directory: Path, cluster_id: bytes
) -> tuple[bytes, int, list[Record], list[Record]]:
    return state_of_a_member(directory, cluster_id)


def test_who_has_a_state_founds_no_group_with_others(alone: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreOpenError, match="the state of a server alone"):
        converting.check_founder(alone)
    converting.check_founder(tmp_path / "nothing")


def test_a_directory_is_one_member_for_ever(tmp_path: Path) -> None:
    first = MemberIdentity(5, "a", b"i" * 16, b"c" * 16, "h:1", "[::]:1", (ME,))
    other = MemberIdentity(6, "b", b"j" * 16, b"c" * 16, "h:2", "[::]:2", (ME,), joined=True)
    assert member_identity.load(tmp_path) is None
    assert member_identity.create(tmp_path, first) == first
    assert member_identity.create(tmp_path, other) == first
    assert member_identity.load(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["member.json"]
    (tmp_path / "member.json").write_text("{}")
    with pytest.raises(StoreOpenError, match="cannot be read"):
        member_identity.load(tmp_path)
