"""Keys lie in etcd where servers of before they had groups look for them, with their past."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from podraft.internal.etcd.v3 import etcd_pb2
from podraft.server.encryption.key_file import beside
from podraft.server.external.address import parse
from podraft.server.external.etcd import EtcdDatastore, open_claimed
from podraft.server.state.datastore import (
    Committed,
    Delete,
    Guard,
    GuardFailed,
    Put,
    Transaction,
)
from support import etcd_process
from support.etcd_process import EtcdProcess

# Where the last version without groups kept these.
PLACES = {
    b"deployments.apps/default/web": b"/mixed/store/deployments/default/web",
    b"leases.coordination.k8s.io/default/me": b"/mixed/store/leases/default/me",
    b"pods/default/a": b"/mixed/store/pods/default/a",
    b"pods.metrics.example.io/default/a": b"/mixed/store/pods.metrics.example.io/default/a",
}
WEB = next(iter(PLACES))


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdProcess]:
    with etcd_process.running() as running:
        yield running


async def places(store: EtcdDatastore) -> set[bytes]:
    request = etcd_pb2.RangeRequest(key=b"/mixed/store/", range_end=b"/mixed/store0")
    return {found.key for found in (await store._range(request)).kvs}


def test_what_lies_at_the_places_of_before_is_known_with_groups(
    etcd: EtcdProcess, tmp_path: Path
) -> None:
    async def main() -> None:
        address = parse(f"etcd://{etcd.endpoint}/mixed")
        store = await open_claimed(address, beside(tmp_path / "data"))
        revisions = []
        for value in (b"one", b"two"):
            puts = tuple(Put(key, value) for key in PLACES)
            outcome = await store.transact(Transaction((), puts))
            assert isinstance(outcome, Committed)
            revisions.append(outcome.revision)
        assert await places(store) == set(PLACES.values())
        found = await store.get(WEB)
        assert found is not None
        assert (found.key, found.create_revision, found.mod_revision) == (WEB, *revisions)
        page = await store.range(b"deployments.apps/", revision=revisions[0])
        assert [(r.key, r.value[:3]) for r in page.records] == [(WEB, b"one")]
        assert not (await store.range(b"deployments.apps/", start_after=WEB)).records
        assert {record.key for record in (await store.range(b"")).records} == set(PLACES)
        refused = await store.transact(Transaction((Guard(WEB, 1),), (Delete(WEB),)))
        assert isinstance(refused, GuardFailed)
        assert refused.found == found
        await store.transact(Transaction((Guard(WEB, revisions[1]),), (Delete(WEB),)))
        assert await places(store) == set(PLACES.values()) - {PLACES[WEB]}
        seen = []
        async with aclosing(store.watch(b"deployments.apps/", revisions[0])) as watch:
            while len(seen) < 2:
                seen += [(e.key, e.value and e.value[:3]) for e in (await anext(watch)).events]
        assert seen == [(WEB, b"two"), (WEB, None)]
        with pytest.raises(ValueError, match="lacks its group"):
            await store.transact(Transaction((), (Put(b"deployments/default/web", b""),)))
        await store.close()

    asyncio.run(main())
