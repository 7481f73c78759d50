"""Data that was written before anything was sealed: it opens, and nothing of it stays readable.

``data/before-sealing.tar.gz`` was written by the last version that sealed nothing: ``alone`` is the
directory of a single server that lost power, ``member`` that of a group's member with entries which
are not applied yet, ``backup`` a backup of the former.  All values contain ``SECRET``.
"""

from __future__ import annotations

import asyncio
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from podraft.server.encryption.key_file import beside
from podraft.server.raft.entries import Membership
from podraft.server.replication.opening import member_identity
from podraft.server.replication.opening.member_recovery import recover_member
from podraft.server.state.commands import decode_command
from podraft.server.store.backup.backup_format import BackupError
from podraft.server.store.backup.backups import read, restore
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.history import rewriting
from podraft.server.store.log.wal import Wal
from podraft.server.store.options import StoreOptions
from support.secret_search import files_with

SECRET = b"old-secret-7f3a9c1e5b2d"
OPTIONS = StoreOptions(segment_bytes=4096, history_map_bytes=1 << 20)


class PowerLossError(Exception):
    """The process ends here."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(Path(__file__).parent / "data" / "before-sealing.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert len(files_with(SECRET, tmp_path)) >= 7, "the search finds what is there"
    return tmp_path


async def _look(directory: Path) -> tuple[int, dict[bytes, bytes], list[bytes | None]]:
    store = await EmbeddedDatastore.open(directory, options=OPTIONS)
    try:
        records = {r.key: r.value for r in (await store.range(b"")).records}
        past = await store.past.versions(
            b"secrets/default/s5", before=0, limit=10, bytes_max=1 << 20
        )
        repeated = await store.requested(bytes([39]) * 16)
        assert repeated is not None
        assert repeated.revision == 40
        return store.revision, records, [version.value for version in past.items]
    finally:
        await store.close()


def look(directory: Path) -> tuple[int, dict[bytes, bytes], list[bytes | None]]:
    return asyncio.run(_look(directory))


def test_an_old_directory_opens_with_all_that_was_in_it_and_is_sealed_afterwards(
    old: Path,
) -> None:
    revision, records, versions = look(old / "alone")
    assert revision == 40
    assert len(records) == 11
    assert records[b"secrets/default/s3"].startswith(SECRET + b" 039")
    # Deleted, made again: its deleted past is there, and is not in the clear either.
    assert [v and v[: len(SECRET) + 4] for v in versions] == [
        SECRET + b" 029",
        None,
        SECRET + b" 005",
    ]
    assert not files_with(SECRET, old / "alone", old / "alone.keys")
    assert look(old / "alone") == (revision, records, versions)


def test_an_old_members_log_opens_with_its_entries_and_is_sealed_afterwards(old: Path) -> None:
    directory = old / "member"
    identity = member_identity.load(directory)
    assert identity is not None
    for _ in range(2):
        member = recover_member(directory, identity.cluster_id, Membership.of(()), OPTIONS)
        entries = member.restored.entries
        assert [entry.index for entry in entries] == list(range(41, 100))
        written = decode_command(entries[-1].payload).transaction.writes[0]
        assert SECRET + b" m059" in getattr(written, "value", b"")
        assert member.applied.keyspace.revision == 40
        member.applied.wal.close()
        member.applied.history.close()
        member.applied.lock.release()
        assert not files_with(SECRET, directory)


@pytest.mark.parametrize("kind", ["alone", "member"])
def test_a_crash_at_any_step_is_finished_by_the_next_start(
    old: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def opened(directory: Path) -> Any:
        if kind == "alone":
            return look(directory)
        cluster = bytes.fromhex("b0bb206538baf8f1fab8164e1a486494")
        member = recover_member(directory, cluster, Membership.of(()), OPTIONS)
        member.applied.wal.close()
        member.applied.history.close()
        member.applied.lock.release()
        return member.restored

    whole = shutil.copytree(old / kind, old / "whole")
    expected = opened(whole)
    steps = 0
    while True:
        directory = shutil.copytree(old / kind, old / f"crashed-{steps}")
        left = steps

        def crash(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise PowerLossError

        _crash_between_steps(monkeypatch, crash)
        try:
            opened(directory)
        except PowerLossError:
            steps += 1
        else:
            break
        finally:
            monkeypatch.undo()
        assert opened(directory) == expected
        assert not files_with(SECRET, directory)
    assert steps >= 5


def _crash_between_steps(monkeypatch: pytest.MonkeyPatch, crash: Any) -> None:
    """Call ``crash`` before each step that the migration makes durable, and after the last."""
    renaming, exchanging = Path.replace, Wal.exchange

    def replace_(self: Path, target: Path) -> Path:
        crash()
        return renaming(self, target)

    def exchange(self: Wal, path: Path, copy: Path) -> None:
        crash()
        exchanging(self, path, copy)
        crash()

    monkeypatch.setattr(Path, "replace", replace_)
    monkeypatch.setattr(Wal, "exchange", exchange)
    monkeypatch.setattr(rewriting, "sync_directory", crash)


def test_where_all_was_sealed_nothing_unsealed_is_believed(old: Path) -> None:
    unsealed = old / "unsealed"
    shutil.copytree(old / "alone", unsealed)
    look(old / "alone")
    for name in ("history.lmdb", "wal"):
        forged = shutil.copytree(old / "alone", old / f"forged-{name}")
        shutil.copytree(old / "alone.keys", old / f"forged-{name}.keys")
        if name == "wal":
            shutil.rmtree(forged / name)
            shutil.copytree(unsealed / name, forged / name)
        else:
            shutil.copy(unsealed / name, forged / name)
        with pytest.raises(StoreOpenError, match="is not sealed, though"):
            look(forged)


def test_an_old_backup_is_restored_only_if_it_is_said_and_is_sealed_then(old: Path) -> None:
    target = old / "restored"
    with pytest.raises(BackupError, match="--accept-unsealed"):
        restore(old / "backup", target)
    assert not target.exists()
    assert not beside(target).path.exists()
    facts, begins = restore(old / "backup", target, accept_unsealed=True)
    assert (facts.revision, begins) == (40, 1_000_000_040)
    records = read(old / "backup", beside(target), accept_unsealed=True).records
    assert len(records) == 11
    assert not files_with(SECRET, target, beside(target).path)
