"""What lies on the disk: no value can be read there, none can be changed or exchanged unnoticed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lmdb
import pytest
from google_crc32c import extend
from google_crc32c import value as crc32c

from podraft.server.encryption.key_file import beside
from podraft.server.state.datastore import Delete, Put, Transaction
from podraft.server.store.directory import StoreOpenError
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from support.secret_search import files_with

SECRET = b"a-secret-4f9d2c7be1"
OPTIONS = StoreOptions(segment_bytes=8192, history_map_bytes=1 << 20, history_flush_interval_s=0.01)
LOG_ONLY = replace(OPTIONS, history_flush_interval_s=1000.0)


def value(number: int) -> bytes:
    return SECRET + b" number %d " % number + bytes(100)


async def filled(directory: Path, options: StoreOptions = OPTIONS) -> EmbeddedDatastore:
    store = await EmbeddedDatastore.open(directory, options=options)
    for number in range(60):
        key = b"secrets/default/s%d" % (number % 20)
        write: Put | Delete = Put(key, value(number), stamped=False)
        if number % 9 == 8:
            write = Delete(key)
        await store.transact(Transaction((), (write,)))
    return store


async def contents(directory: Path, options: StoreOptions = OPTIONS) -> dict[bytes, bytes]:
    store = await EmbeddedDatastore.open(directory, options=options)
    try:
        return {record.key: record.value for record in (await store.range(b"")).records}
    finally:
        await store.close()


def test_no_value_is_in_any_file_at_any_moment(tmp_path: Path) -> None:
    data = tmp_path / "data"

    async def main() -> None:
        for options in (LOG_ONLY, OPTIONS):
            store = await filled(data, options)
            assert not files_with(SECRET, data), "while it runs"
            await store._state.copy_to(data / "copy.lmdb")
            assert not files_with(SECRET, data), "in a copy that a snapshot begins with"
            (data / "copy.lmdb").unlink()
            await store.compact(store.revision)
            assert not files_with(SECRET, data), "after compaction"
            await store.close()
            assert not files_with(SECRET, data), "at rest"

    asyncio.run(main())
    assert files_with(b"secrets/default/s1", data), "the search finds what is there"
    assert not files_with(SECRET, tmp_path)


def test_files_are_for_the_servers_user_only(tmp_path: Path) -> None:
    async def main() -> None:
        store = await filled(tmp_path / "data")
        modes = {
            path.name: path.stat().st_mode & 0o777
            for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        }
        await store.close()
        assert {mode & 0o077 for mode in modes.values()} == {0}, modes

    asyncio.run(main())


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    async def main() -> None:
        await (await filled(tmp_path / "data")).close()

    asyncio.run(main())
    return tmp_path / "data"


def refused(directory: Path, match: str) -> None:
    with pytest.raises(StoreOpenError, match=match):
        asyncio.run(contents(directory))


def test_without_its_keys_nothing_is_changed_and_the_error_says_what_is_needed(
    closed: Path, tmp_path: Path
) -> None:
    before = asyncio.run(contents(closed))
    key = beside(closed).path
    kept = key.rename(tmp_path / "kept")
    files = {path: path.read_bytes() for path in closed.rglob("*") if path.is_file()}
    refused(closed, r"data\.keys/encryption\.key is missing: key-encryption key [0-9a-f]{16} is")
    assert not key.exists()
    other = beside(tmp_path / "other")
    other.prepare()
    shutil.copy(other.path, key)
    refused(closed, r"holds key-encryption key [0-9a-f]{16}, but [0-9a-f]{16} is needed")
    kept.rename(key)
    ring = (closed / "keys.json").rename(tmp_path / "ring")
    refused(closed, r"keys\.json is missing: without the data keys")
    ring.rename(closed / "keys.json")
    ignored = {closed / "lock", closed / "history.lmdb-lock"}
    assert all(path.read_bytes() == files[path] for path in files.keys() - ignored)
    assert asyncio.run(contents(closed)) == before


def test_the_key_file_may_lie_elsewhere_but_not_inside(closed: Path) -> None:
    inside = beside(closed)
    inside._apart_from = inside.path.parent
    options = replace(OPTIONS, keys=inside)
    with pytest.raises(StoreOpenError, match="lies in the data directory"):
        asyncio.run(contents(closed, options))


Entries = dict[bytes, bytes]


def _flip(entries: Entries, place: Callable[[bytes], int]) -> None:
    name, stored = next((n, s) for n, s in entries.items() if n.startswith(b"secrets/default/s1\0"))
    changed = bytearray(stored)
    changed[place(stored)] ^= 1
    entries[name] = bytes(changed)


def _exchange(entries: Entries) -> None:
    first, second = list(entries)[:2]
    entries[first], entries[second] = entries[second], entries[first]


def _rename(entries: Entries) -> None:
    name = next(iter(entries))
    entries[b"x" + name[1:]] = entries.pop(name)


def _delete_by_force(entries: Entries) -> None:
    # The kind says that it is a deletion.
    _flip(entries, lambda _: 8)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda e: _flip(e, lambda _: 7), id="created"),
        pytest.param(lambda e: _flip(e, lambda _: 8), id="kind"),
        pytest.param(lambda e: _flip(e, lambda _: 9), id="data key"),
        pytest.param(lambda e: _flip(e, lambda _: 17), id="salt"),
        pytest.param(lambda e: _flip(e, lambda _: 25), id="nonce"),
        pytest.param(lambda e: _flip(e, lambda _: 40), id="value"),
        pytest.param(lambda e: _flip(e, lambda stored: len(stored) - 1), id="tag"),
        pytest.param(_exchange, id="two values exchanged"),
        pytest.param(_rename, id="a value under another key"),
    ],
)
def test_a_changed_history_is_refused(closed: Path, tamper: Callable[[Entries], None]) -> None:
    environment = lmdb.open(str(closed / "history.lmdb"), subdir=False, max_dbs=4)
    history = environment.open_db(b"history")
    with environment.begin(write=True, db=history) as transaction:
        live = _newest(dict(transaction.cursor()))
        changed = dict(live)
        tamper(changed)
        for name in live.keys() - changed.keys():
            transaction.delete(name)
        for name, stored in changed.items():
            transaction.put(name, stored)
    environment.close()
    refused(closed, r"version \d+ of b'.*': the bytes")


def _newest(entries: Entries) -> Entries:
    newest = {name[:-9]: name for name in sorted(entries)}
    return {name: entries[name] for name in newest.values() if entries[name][8] == 1}


def test_a_log_that_was_sealed_elsewhere_is_refused_though_its_checksums_are_right(
    tmp_path: Path,
) -> None:
    async def main(directory: Path) -> None:
        store = await EmbeddedDatastore.open(directory, options=LOG_ONLY)
        await store.transact(Transaction((), (Put(b"k", b"v"),)))
        cluster = store.cluster_id
        # As if power were lost now.
        shutil.copytree(directory, directory.with_name(f"{directory.name}-lost"))
        await store.close()
        ids.append(cluster)

    ids: list[bytes] = []
    for name in ("mine", "theirs"):
        asyncio.run(main(tmp_path / name))
    mine, theirs = tmp_path / "mine-lost", tmp_path / "theirs-lost"
    shutil.copytree(tmp_path / "mine.keys", tmp_path / "mine-lost.keys")
    # An attacker gives the log our cluster's id and makes all checksums anew.
    forged = _with_cluster(next((theirs / "wal").glob("*.wal")).read_bytes(), ids[0])
    next((mine / "wal").glob("*.wal")).write_bytes(forged)
    refused(mine, r"offset 40: a frame: the bytes need data key [0-9a-f]{16}")


def _with_cluster(log: bytes, cluster: bytes) -> bytes:
    header = bytearray(log[:40])
    header[12:16] = bytes(4)
    header[16:32] = cluster
    header[12:16] = crc32c(bytes(header)).to_bytes(4, "little")
    length = int.from_bytes(log[48:52], "little")
    checked, body, rest = log[48:72], log[72 : 72 + length], log[72 + length :]
    crc: int = extend(extend(crc32c(cluster), checked), body)
    return b"".join((header, log[40:44], crc.to_bytes(4, "little"), checked, body, rest))
