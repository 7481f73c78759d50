"""Backups: made under load, restored to exactly one revision's state, refused when damaged."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from local_cluster import server_process
from local_cluster.server_process import ServerProcess
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.client.calls import writes
from podraft.client.calls.backups import backup
from podraft.client.calls.client import Client
from podraft.client.errors import CompactedError, FailedPreconditionError, NotFoundError
from podraft.server.encryption.key_file import KeyFile, beside
from podraft.server.state.datastore import Delete, Put, Record, Transaction
from podraft.server.store.backup.backup_format import (
    BackupEncoder,
    BackupError,
    BackupFacts,
    new_backup_key,
)
from podraft.server.store.backup.backups import (
    REVISIONS_SKIPPED,
    chunks,
    read,
    restore,
)
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support import etcd_process
from support.waiting import eventually_async

FACTS = BackupFacts(bytes(range(16)), 900, 1_700_000_000_000)


def records(count: int = 300) -> list[Record]:
    return [
        Record(b"k/%04d" % n, b"value %d " % n * 50, n % 7 + 1, n % 7 + 1 + n) for n in range(count)
    ]


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> KeyFile:
    made = KeyFile(tmp_path_factory.mktemp("keys") / "encryption.key")
    made.prepare()
    return made


def file_of(path: Path, contents: list[Record], keys: KeyFile, facts: BackupFacts = FACTS) -> Path:
    encoder = BackupEncoder(facts, new_backup_key(keys))
    pieces = [encoder.header(), *encoder.page(contents[:100]), *encoder.page(contents[100:])]
    path.write_bytes(b"".join([*pieces, encoder.end()]))
    return path


def entries(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def advanced(store: EmbeddedDatastore, revision: int) -> bool:
    return store.revision > revision


@pytest.mark.parametrize("recent_events", [20_000, 50], ids=["from memory", "from disk"])
def test_a_backup_under_load_is_the_state_of_one_revision(
    tmp_path: Path, recent_events: int
) -> None:
    random = Random(7)

    async def main() -> None:
        options = StoreOptions(recent_events=recent_events)
        store = await EmbeddedDatastore.open(tmp_path / "data", options=options)
        model: dict[int, dict[bytes, Record]] = {}

        async def watch() -> None:
            state: dict[bytes, Record] = {}
            async for batch in store.watch(b"", 0):
                for event in batch.events:
                    if event.value is None:
                        state.pop(event.key)
                    else:
                        state[event.key] = Record(
                            event.key, event.value, event.create_revision, event.revision
                        )
                    model[event.revision] = dict(state)

        async def write(stop: asyncio.Event) -> None:
            while not stop.is_set():
                keys = random.sample(range(400), 3)
                changes = [
                    Delete(b"k/%d" % key) if random.random() < 0.2 else Put(b"k/%d" % key, b"v")
                    for key in keys
                ]
                await store.transact(Transaction((), tuple(changes)))

        watching = asyncio.create_task(watch())
        seed = tuple(Put(b"k/%d" % n, b"x" * 200) for n in range(2_500))
        await store.transact(Transaction((), seed))
        stop = asyncio.Event()
        writers = [asyncio.create_task(write(stop)) for _ in range(8)]
        files = []
        for number in range(5):
            revision = store.revision
            facts = BackupFacts(store.cluster_id, revision, 1)
            encoder = BackupEncoder(facts, new_backup_key(beside(tmp_path / "data")))
            pieces = []
            async for piece in chunks(store, encoder, revision):
                pieces.append(piece)
                # So slow a receiver that something is written between any two pieces.
                now = store.revision
                await eventually_async(partial(advanced, store, now + 20))
            file = tmp_path / f"{number}.backup"
            file.write_bytes(b"".join(pieces))
            files.append((file, revision))
        stop.set()
        await asyncio.gather(*writers)
        cluster_id = store.cluster_id
        await store.close()
        await watching

        for number, (file, revision) in enumerate(files):
            directory = tmp_path / f"restored-{number}"
            keys = beside(tmp_path / "data")
            facts, begins = await asyncio.to_thread(restore, file, directory, backup_keys=keys)
            assert (facts.revision, begins) == (revision, revision + REVISIONS_SKIPPED)
            restored = await EmbeddedDatastore.open(directory)
            expected = [model[revision][key] for key in sorted(model[revision])]
            assert list((await restored.range(b"")).records) == expected
            assert restored.revision == begins
            assert restored.cluster_id != cluster_id
            await restored.transact(Transaction((), (Put(b"new", b""),)))
            assert restored.revision == begins + 1
            await restored.close()
            # And once more, from its own disk.
            again = await EmbeddedDatastore.open(directory)
            assert len((await again.range(b"")).records) == len(expected) + 1
            await again.close()

    asyncio.run(main())


def test_a_whole_file_reads_back(tmp_path: Path, keys: KeyFile) -> None:
    assert read(file_of(tmp_path / "b", records(), keys), keys).records == tuple(records())
    assert read(file_of(tmp_path / "empty", [], keys), keys).records == ()


def test_no_shorter_file_is_taken_for_a_backup(tmp_path: Path, keys: KeyFile) -> None:
    whole = file_of(tmp_path / "b", records(), keys).read_bytes()
    cut = tmp_path / "cut"
    for length in [*range(0, 64), *range(64, len(whole), 997), *range(len(whole) - 60, len(whole))]:
        cut.write_bytes(whole[:length])
        with pytest.raises(BackupError):
            restore(cut, tmp_path / "dir", keys)
    assert entries(tmp_path) == ["b", "cut"]


def test_no_flipped_bit_goes_unnoticed_and_nothing_is_written(
    tmp_path: Path, keys: KeyFile
) -> None:
    whole = file_of(tmp_path / "b", records(), keys).read_bytes()
    flipped = tmp_path / "flipped"
    random = Random(3)
    places = [*range(60), *range(len(whole) - 60, len(whole))]
    for place in places + [random.randrange(len(whole)) for _ in range(200)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.randrange(8)
        flipped.write_bytes(damaged)
        with pytest.raises(BackupError):
            restore(flipped, tmp_path / "dir", keys)
    flipped.write_bytes(whole + b"\0")
    with pytest.raises(BackupError, match="bytes follow"):
        restore(flipped, tmp_path / "dir", keys)
    assert entries(tmp_path) == ["b", "flipped"]


def test_frames_that_are_left_out_or_exchanged_are_noticed(tmp_path: Path, keys: KeyFile) -> None:
    encoder = BackupEncoder(FACTS, new_backup_key(keys))
    pieces = [encoder.header(), *encoder.page(records()[:9]), *encoder.page(records()[9:20])]
    pieces.append(encoder.end())
    file = tmp_path / "b"
    for order in ((0, 1, 3), (0, 2, 1, 3), (0, 1, 1, 2, 3), (1, 2, 3), (0, 1, 2)):
        file.write_bytes(b"".join(pieces[index] for index in order))
        with pytest.raises(BackupError):
            restore(file, tmp_path / "dir", keys)


def run_restore(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "podraft.server.app", "restore", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["store", "lost+found", "admin.conf"])
def test_a_directory_that_holds_something_is_refused(
    tmp_path: Path, name: str, keys: KeyFile
) -> None:
    file = file_of(tmp_path / "b", records(), keys)
    data = tmp_path / "data"
    (data / name).mkdir(parents=True)
    ended = run_restore(file, f"--data-dir={data}")
    assert ended.returncode == 1
    assert f"holds {name}" in ended.stderr
    assert entries(data) == [name]


def test_other_files_are_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no backup")
    for file, message in ((tmp_path / "text", "is no backup"), (tmp_path / "absent", "No such")):
        ended = run_restore(file, f"--data-dir={tmp_path / 'data'}")
        assert ended.returncode == 1
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not (tmp_path / "data").exists()


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with server_process.running() as running:
        yield running


def config_map(name: str) -> ConfigMap:
    made = ConfigMap(data={"k": name})
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


def in_client(server: ServerProcess, act: Any, component: str = "admin") -> Any:
    async def main() -> Any:
        async with Client(server.config(component)) as client:
            return await act(client)

    return asyncio.run(main())


def test_the_command_makes_a_backup_and_the_server_a_new_cluster(server, tmp_path: Path) -> None:
    file = tmp_path / "backup"

    async def before(client: Client) -> tuple[str, str]:
        await client.commit([writes.create(config_map(f"c{n}")) for n in range(20)])
        command = [str(Path(sys.executable).with_name("podraft")), "backup", str(file)]
        command += ["--config", str(server.data_dir / "admin.conf")]
        made = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        again = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False
        )
        assert again.returncode == 1
        assert "--force" in again.stderr
        late = await client.config_maps.create(config_map("late"))
        return late.metadata.resource_version, (await client.version()).cluster_id

    seen, cluster = in_client(server, before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert entries(tmp_path) == ["backup"]
    server.stop()

    with server_process.running() as other:
        other.stop()
        old = other.data_dir.rename(other.data_dir.with_name("old"))
        # The keys of the first cluster: its admin goes on to be admin.
        other.data_dir.mkdir()
        (server.data_dir / "pki").rename(other.data_dir / "pki")
        keys = server.data_dir.with_name(f"{server.data_dir.name}.keys") / "encryption.key"
        restored = run_restore(file, f"--data-dir={other.data_dir}", f"--backup-key-file={keys}")
        assert restored.returncode == 0, restored.stderr
        assert cluster in restored.stdout
        other.start()

        async def after(client: Client) -> None:
            assert (await client.version()).cluster_id != cluster
            names = {item.metadata.name for item in (await client.config_maps.list()).items}
            assert names == {f"c{n}" for n in range(20)}
            with pytest.raises(NotFoundError):
                await client.config_maps.get("late", "default")
            for _ in range(3):
                await client.config_maps.create(config_map(f"new-{_}"))
            # A revision that the first cluster reached after the backup means nothing here.
            watch = client.config_maps.watch("default", resource_version=seen)
            with pytest.raises(CompactedError):
                async with aclosing(watch) as batches:  # type: ignore[type-var]  # a generator
                    async for _batch in batches:
                        pass
            found = await client.config_maps.get("c1", "default")
            found.data["k"] = "changed"
            await client.config_maps.update(found)

        in_client(other, after)
        assert old.exists()


def test_a_server_on_etcd_points_to_etcds_own_tool(tmp_path: Path) -> None:
    with (
        etcd_process.running() as etcd,
        server_process.running((f"--datastore=etcd://{etcd.endpoint}",)) as server,
    ):

        async def refused(client: Client) -> None:
            with pytest.raises(FailedPreconditionError, match="etcdctl snapshot save"):
                await backup(client, tmp_path / "backup")

        in_client(server, refused)
    assert entries(tmp_path) == []
