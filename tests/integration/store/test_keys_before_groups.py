"""Data that was written before keys had API groups: it opens with its objects and all of its past.

``data/before-groups-in-keys.tar.gz`` was written by the last version whose keys had no groups, with
the same nineteen transactions each time: ``alone`` is the directory of a single server that lost
power when its history file had sixteen of them, ``member`` that of a group's only member in the
same state, ``backup`` a backup at the end.  ``facts.json`` is what that version read then: the
records, the state at each revision, the versions of each key, all events.  Its clock was set to
2096, lest anything be too old to be kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from google_crc32c import value as crc32c

from podraft.server.encryption.key_file import beside
from podraft.server.encryption.key_ring import RING_FILE, KeyRing
from podraft.server.raft.entries import Membership, SnapshotMark
from podraft.server.replication.faults import SnapshotError
from podraft.server.replication.snapshots.snapshot_files import IncomingSnapshot, ready_path
from podraft.server.state.datastore import Put, Record, Transaction
from podraft.server.state.digests import state_digest
from podraft.server.state.key_forms import grouped
from podraft.server.store.backup.backups import read, restore
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.history import regrouping, rewriting
from podraft.server.store.history.environment import HISTORY_FILE, LAYOUT_VERSION, open_environment
from podraft.server.store.history.history_file import History
from podraft.server.store.history.rewriting import layout_of
from podraft.server.store.options import StoreOptions
from support.raft_members import LocalGroup
from support.sealing import ring_of
from support.waiting import eventually_async

OPTIONS = StoreOptions(
    segment_bytes=16384, history_map_bytes=1 << 20, history_flush_interval_s=0.01
)
STORED, APPLIED = 16, 19


class PowerLossError(BaseException):
    """The process ends here."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(Path(__file__).parent / "data" / "before-groups-in-keys.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def facts(old: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((old / "facts.json").read_text())
    assert found["revision"] == APPLIED
    return found


def records(told: list[Any]) -> list[Record]:
    """Return what the old version told of its records, by the keys that they have now."""
    known = (Record(grouped(key.encode()), b64decode(value), *more) for key, value, *more in told)
    return sorted(known, key=lambda record: record.key)


async def check(store: Any, facts: dict[str, Any]) -> None:
    """Check that ``store`` has the objects, the past and the requests of the fixture."""
    assert store.revision == APPLIED
    assert list((await store.range(b"")).records) == records(facts["records"])
    assert f"{state_digest((await store.range(b'')).records):016x}" == facts["digest"]
    for revision, told in facts["at"].items():
        past = await store.range(b"", revision=int(revision))
        assert list(past.records) == records(told), revision
    for key, told in facts["versions"].items():
        found = await store.past.versions(
            grouped(key.encode()), before=0, limit=50, bytes_max=1 << 20
        )
        assert [
            [v.revision, v.author.decode(), v.value is not None, v.is_first] for v in found.items
        ] == [[revision, *rest] for revision, _, *rest in told], key
    for start in (1, 9, STORED, APPLIED - 1):
        wanted = [
            (grouped(key.encode()), revision, value and b64decode(value), previous)
            for key, revision, value, previous in facts["events"]
            if revision > start
        ]
        for prefix in (b"", b"deployments.apps/default/", b"leases.coordination.k8s.io/"):
            concerned = [event for event in wanted if event[0].startswith(prefix)]
            assert await events(store, prefix, start, len(concerned)) == concerned


async def events(store: Any, prefix: bytes, start: int, number: int) -> list[tuple[Any, ...]]:
    """Return the first events that a watch which resumes after ``start`` is shown."""
    seen: list[tuple[Any, ...]] = []
    async with aclosing(store.watch(prefix, start)) as watch:
        while len(seen) < number:
            for event in (await anext(watch)).events:
                before = event.previous.mod_revision if event.previous is not None else 0
                seen.append((event.key, event.revision, event.value, before))
    return seen


def look(directory: Path, facts: dict[str, Any]) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(directory, options=OPTIONS)
        try:
            await check(store, facts)
            repeated = await store.requested(bytes([10]) * 16)
            assert repeated is not None
            assert [repeated.revision, repeated.digest.hex()] == facts["requested"]
        finally:
            await store.close()

    asyncio.run(main())


def test_an_old_directory_opens_with_its_objects_and_its_past(
    old: Path, facts: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert layout_of(old / "alone" / HISTORY_FILE) == LAYOUT_VERSION - 1
    look(old / "alone", facts)
    told = [record.getMessage() for record in caplog.records]
    assert ["once" in text for text in told] == [True, False], told
    assert layout_of(old / "alone" / HISTORY_FILE) == LAYOUT_VERSION
    # Once is enough; what was in the log only is in the file now.
    look(old / "alone", facts)
    assert len(caplog.records) == 2


def test_an_old_directory_is_written_to_as_a_new_one(old: Path, facts: dict[str, Any]) -> None:
    key = b"deployments.apps/default/web"

    async def main() -> None:
        store = await EmbeddedDatastore.open(old / "alone", options=OPTIONS)
        before = await store.get(key)
        assert before is not None
        await store.transact(Transaction((), (Put(key, b"more"),)))
        await store.close()
        store = await EmbeddedDatastore.open(old / "alone", options=OPTIONS)
        found = await store.get(key)
        assert found is not None
        assert found.create_revision == before.create_revision == 4
        assert found.mod_revision == APPLIED + 1
        versions = await store.past.versions(key, before=0, limit=10, bytes_max=1 << 20)
        assert [version.revision for version in versions.items] == [20, 17, 10, 4]
        await store.close()

    asyncio.run(main())


def test_an_old_members_state_and_log_open_with_their_past(
    old: Path, facts: dict[str, Any]
) -> None:
    async def main() -> None:
        (old / "group").mkdir()
        (old / "member").rename(old / "group" / "1")
        (old / "member.keys").rename(old / "group" / "1.keys")
        assert layout_of(old / "group" / "1" / HISTORY_FILE) == LAYOUT_VERSION - 1
        group = LocalGroup(old / "group", (1,), store_options=OPTIONS)
        state = group.members[1].state
        try:
            await eventually_async(lambda: state.revision == APPLIED)
            await check(state, facts)
        finally:
            await group.stop(1)

    asyncio.run(main())


def mark_of(path: Path, ring: KeyRing) -> SnapshotMark:
    """Return the mark of an old file, which only its own version could open."""
    environment = open_environment(path, 1 << 20)
    with environment.begin(db=environment.open_db(b"meta")) as transaction:
        index = int.from_bytes(transaction.get(b"applied_index"), "big")
    environment.close()
    return SnapshotMark(index, 1, Membership.of((1,)))


def old_snapshot(old: Path) -> tuple[bytes, KeyRing, SnapshotMark]:
    """Return the snapshot that an old member sends, its keys and its mark."""
    path = old / "member" / HISTORY_FILE
    ring = KeyRing.open(old / "member" / RING_FILE, beside(old / "member"))
    assert ring is not None
    return path.read_bytes(), ring, mark_of(path, ring)


async def received(old: Path, data: bytes, ring: KeyRing, mark: SnapshotMark) -> Path:
    (old / "receiver").mkdir()
    (old / "snapshots").mkdir()
    own = ring_of(old / "receiver")
    incoming = IncomingSnapshot(
        old / "snapshots", sha256(data).digest(), len(data), ring.data_keys, own
    )
    try:
        await incoming.add(data, crc32c(data))
        ready = ready_path(old / "snapshots", mark)
        await incoming.finish(mark, ready)
        return ready
    finally:
        incoming.close()


def test_an_old_members_snapshot_is_installed_with_groups(old: Path, facts: dict[str, Any]) -> None:
    data, ring, mark = old_snapshot(old)
    ready = asyncio.run(received(old, data, ring, mark))
    assert layout_of(ready) == LAYOUT_VERSION
    history = History(ready, 1 << 20, ring_of(old / "receiver").sealer)
    try:
        found = sorted(history.newest(), key=lambda record: record.key)
        assert found == records(facts["at"][str(STORED)])
        assert history.digest == state_digest(found)
        assert history.applied_index == mark.index
    finally:
        history.close()


def damaged(file: bytes) -> bytes:
    """Return a history file in which the versions of one key, in use or not, have changed."""
    found = bytearray(file)
    name = b"deployments/default/web\0"
    at = -1
    while (at := file.find(name, at + 1)) >= 0:
        # Behind the revision, what is not sealed, and the data key's id.
        found[at + len(name) + 8 + 9 + 20] ^= 1
    return bytes(found)


def test_an_old_members_damaged_snapshot_is_refused(old: Path) -> None:
    data, ring, mark = old_snapshot(old)
    with pytest.raises(SnapshotError, match="cannot be read"):
        asyncio.run(received(old, damaged(data), ring, mark))
    assert not list((old / "snapshots").glob("*.lmdb"))


def test_an_old_backup_is_restored_with_groups(old: Path, facts: dict[str, Any]) -> None:
    keys = beside(old / "alone")
    assert list(read(old / "backup", keys).records) == records(facts["records"])
    restored, begins = restore(old / "backup", old / "restored", backup_keys=keys)
    assert (restored.revision, begins) == (APPLIED, 1_000_000_000 + APPLIED)

    async def main() -> None:
        store = await EmbeddedDatastore.open(old / "restored", options=OPTIONS)
        assert list((await store.range(b"")).records) == records(facts["records"])
        await store.close()

    asyncio.run(main())


def test_a_crash_at_any_step_is_finished_by_the_next_start(
    old: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = 0
    while True:
        directory = shutil.copytree(old / "alone", old / f"crashed-{steps}")
        shutil.copytree(old / "alone.keys", old / f"crashed-{steps}.keys")
        with _ending_after(steps, monkeypatch) as ended:
            try:
                look(directory, facts)
            except PowerLossError:
                ended.append(True)
        if not ended:
            break
        look(directory, facts)
        assert not list(directory.glob("*.rewriting*"))
        steps += 1
    # Each database half and all, before and after the new file has its name.
    assert steps >= 10


@contextmanager
def _ending_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """End at that step of the rewriting: in each database, before and after what is durable."""
    putting, renaming = rewriting.put_all, Path.replace

    def step() -> None:
        nonlocal steps
        steps -= 1
        if steps < 0:
            raise PowerLossError

    def put_all(target: Any, database: bytes, ordered: Any) -> None:
        def some() -> Iterator[Any]:
            for number, entry in enumerate(ordered):
                if number == 1:
                    step()
                yield entry

        putting(target, database, some())
        step()

    def replace_(self: Path, target: Path) -> Path:
        step()
        return renaming(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(regrouping, "put_all", put_all)
        patched.setattr(Path, "replace", replace_)
        patched.setattr(rewriting, "sync_directory", lambda _: step())
        yield []


def test_a_damaged_old_file_is_refused_and_stays(old: Path, facts: dict[str, Any]) -> None:
    path = old / "alone" / HISTORY_FILE
    whole = path.read_bytes()
    path.write_bytes(damaged(whole))
    with pytest.raises(StoreOpenError, match="of b'deployments/default/web'"):
        look(old / "alone", facts)
    assert layout_of(path) == LAYOUT_VERSION - 1
    path.write_bytes(whole)
    look(old / "alone", facts)
