"""What lies in etcd is sealed, for every server of a prefix, and what is older becomes so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.encryption.key_file import beside
from podraft.server.external.address import parse
from podraft.server.external.etcd import EtcdDatastore, open_claimed
from podraft.server.external.translation import ForeignValueError
from podraft.server.state.datastore import Put, StoreFailedError, Transaction
from podraft.server.state.revisions import revision_suffix
from support import etcd_process
from support.etcd_process import EtcdProcess

SECRET = b"a-secret-in-etcd-93bd0e"


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdProcess]:
    with etcd_process.running() as running:
        yield running


async def opened(etcd: EtcdProcess, prefix: str, directory: Path) -> EtcdDatastore:
    return await open_claimed(parse(f"etcd://{etcd.endpoint}/{prefix}"), beside(directory))


def put(key: bytes, value: bytes, *, stamped: bool = True) -> Transaction:
    return Transaction((), (Put(key, value, stamped=stamped),))


async def raw(store: EtcdDatastore) -> dict[bytes, bytes]:
    request = etcd_pb2.RangeRequest(key=b"\0", range_end=b"\0")
    return {found.key: found.value for found in (await store._range(request)).kvs}


async def plant(store: EtcdDatastore, key: bytes, value: bytes) -> None:
    """Write past podraft, as an older version or an attacker does."""
    request = etcd_pb2.TxnRequest()
    request.success.add().request_put.MergeFrom(etcd_pb2.PutRequest(key=key, value=value))
    await store._txn(request, repeatable=True)


def test_no_value_is_in_etcd_and_both_servers_of_a_prefix_read_it(
    etcd: EtcdProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        one = await opened(etcd, "both", tmp_path / "data")
        two = await opened(etcd, "both", tmp_path / "data")
        for number, stamped in ((1, True), (2, False)):
            await one.transact(put(b"secrets/s%d" % number, SECRET, stamped=stamped))
        assert not any(SECRET in value for value in (await raw(one)).values())
        for store in (one, two):
            records = (await store.range(b"secrets/")).records
            assert [record.value for record in records] == [
                SECRET + revision_suffix(records[0].mod_revision),
                SECRET,
            ]
        await one.close()
        await two.close()
        # Another server needs the same key-encryption key, and is told which.
        with pytest.raises(StoreFailedError, match=r"is missing: key-encryption key [0-9a-f]{16}"):
            await opened(etcd, "both", tmp_path / "other")
        assert not beside(tmp_path / "other").path.exists()

    asyncio.run(main())


def test_what_is_older_is_sealed_once_and_nothing_unsealed_is_believed_then(
    etcd: EtcdProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        other = await opened(etcd, "elsewhere", tmp_path / "data")
        for number in range(120):
            # As the version before sealed nothing wrote them: value, kind.
            kind = bytes((number % 2,))
            await plant(other, b"/old/store/s/%03d" % number, SECRET + b" %d" % number + kind)
        store = await opened(etcd, "old", tmp_path / "data")
        assert not any(SECRET in value for value in (await raw(store)).values())
        records = (await store.range(b"s/")).records
        assert len(records) == 120
        assert records[2].value == SECRET + b" 2"
        assert records[3].value == SECRET + b" 3" + revision_suffix(records[3].mod_revision)
        # An old revision is still what it was.
        before = records[0].mod_revision - 1
        assert (await store.range(b"s/002", revision=before)).records[0].value == SECRET + b" 2"
        await store.close()
        store = await opened(etcd, "old", tmp_path / "data")
        assert list((await store.range(b"s/")).records) == list(records), "nothing is done twice"
        await plant(other, b"/old/store/s/forged", b"forged\0")
        with pytest.raises(ForeignValueError, match="is not sealed"):
            await store.get(b"s/forged")
        await other.close()
        await store.close()

    asyncio.run(main())


def test_a_value_that_is_put_elsewhere_or_changed_is_refused(
    etcd: EtcdProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        store = await opened(etcd, "moved", tmp_path / "data")
        await store.transact(put(b"a", SECRET))
        value = (await raw(store))[b"/moved/store/a"]
        await plant(store, b"/moved/store/b", value)
        changed = bytearray(value)
        changed[-2] ^= 1
        await plant(store, b"/moved/store/c", bytes(changed))
        await plant(store, b"/moved/store/d", value[:-1] + b"\2")
        for key in (b"b", b"c", b"d"):
            with pytest.raises(ForeignValueError, match="altered"):
                await store.get(key)
        await store.close()

    asyncio.run(main())
