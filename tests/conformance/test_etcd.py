"""The store on a real etcd keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from conformance.datastore_suite import DatastoreSuite, OpenStore
from podraft.server.external.address import parse
from podraft.server.external.etcd import EtcdDatastore
from podraft.server.external.options import EtcdOptions
from support import etcd_process
from support.sealing import SEALER


class TestEtcd(DatastoreSuite):
    """One etcd for each test: the suite counts revisions from the beginning."""

    # Calls on their way to etcd may overtake each other.
    keeps_submission_order = False

    @pytest.fixture
    def open_store(self) -> Iterator[OpenStore]:
        with etcd_process.running() as etcd:
            address = parse(f"etcd://{etcd.endpoint}/conformance")

            @asynccontextmanager
            async def open_store() -> AsyncIterator[EtcdDatastore]:
                store = await EtcdDatastore.open(
                    address, SEALER, options=EtcdOptions(bookmark_interval_s=0.05)
                )
                try:
                    yield store
                finally:
                    await store.close()

            yield open_store
