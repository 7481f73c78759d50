"""The registry of nodes on several servers: all agree, and none refuses by an old copy."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest

from podraft.server.auth import node_records
from podraft.server.auth.certificates import CertificateAuthority
from podraft.server.auth.certified import parsed
from podraft.server.auth.node_records import NodeRecord
from podraft.server.auth.recognition import Proof, recognized
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.datastore import Datastore, Delete, Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.attackers import node_pair
from support.waiting import eventually_async

AUTHORITY = CertificateAuthority.create(datetime.datetime.now(datetime.UTC))


def proof(name: str) -> Proof:
    return recognized(parsed(node_pair(AUTHORITY, name).certificate), AUTHORITY)


async def put(datastore: Datastore, name: str, record: NodeRecord) -> None:
    entry = Put(node_records.key_of(name), record.encode(), stamped=False)
    await datastore.transact(Transaction((), (entry,)))


async def until(registry: NodeRegistry, shown: Proof, expected: Code | None) -> None:
    """Wait until a node's calls fare so: a copy follows soon, and a lookup takes a moment."""

    def holds() -> bool:
        try:
            registry.check(shown)
        except RefusedError as refusal:
            return refusal.code is expected
        return expected is None

    await eventually_async(holds)


def test_all_servers_agree_on_who_stands(tmp_path: Path) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        one, two = NodeRegistry(store), NodeRegistry(store)
        changed: list[str] = []
        two.observers.append(changed.append)
        first, other = proof("n1"), proof("n1")
        await one.start()
        await two.start()
        # The first key of a name is its own, wherever it was shown.
        await until(one, first, None)
        await until(two, first, None)
        await until(two, other, Code.UNAUTHENTICATED)
        await until(one, other, Code.UNAUTHENTICATED)
        await put(store, "n1", node_records.removed(1000.0))
        await until(one, first, Code.UNAUTHENTICATED)
        await until(two, first, Code.UNAUTHENTICATED)
        await put(store, "n1", NodeRecord(other.key))
        await until(two, other, None)
        await until(two, first, Code.UNAUTHENTICATED)
        assert set(changed) == {"n1"}
        await one.stop()
        await two.stop()
        await store.close()

    asyncio.run(main())


def test_a_copy_that_lags_refuses_nobody_for_good(tmp_path: Path) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        lagging, shown = NodeRegistry(store), proof("n1")
        lagging.took("n1", NodeRecord("the key of an earlier machine"), 0)
        await put(store, "n1", NodeRecord(shown.key))
        with pytest.raises(RefusedError) as refused:
            lagging.check(shown)
        assert refused.value.code is Code.UNAVAILABLE
        await until(lagging, shown, None)
        await lagging.stop()
        await store.close()

    asyncio.run(main())


def test_a_start_reads_what_the_store_holds_and_an_entry_that_goes_is_forgotten(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        store = await EmbeddedDatastore.open(tmp_path)
        await put(store, "gone", node_records.removed(1000.0))
        registry = NodeRegistry(store)
        await registry.start()
        (old,) = registry.forgotten(1000.0 + 2 * node_records.REMEMBERED_S)
        assert not registry.forgotten(1000.0)
        await store.transact(Transaction((old,), (Delete(old.key),)))
        await eventually_async(lambda: registry.record("gone") is None)
        await registry.stop()
        await store.close()

    asyncio.run(main())
