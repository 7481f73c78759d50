"""Writes planned on a member that is behind: never refused, never void, because of that."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podraft.api import kinds
from podraft.api.core.v1 import config_pb2, namespace_pb2
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.server.auth.identity import MASTERS, Identity
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes.operations import Create, DeleteObject, Patch
from podraft.server.registry.writes.writer import Writer
from podraft.server.replication.raft_datastore import RaftDatastore
from support.raft_cluster import RaftCluster

ROUNDS = 40


def new_caches() -> Caches:
    return Caches(kinds.Registry(kinds.BUILT_IN))


def create(name: str) -> Create:
    metadata = meta_pb2.ObjectMeta(name=name, namespace="default")
    return Create(kinds.CONFIG_MAP, config_pb2.ConfigMap(metadata=metadata))


def patch(name: str, value: str) -> Patch:
    merge = b'{"data": {"k": "%s"}}' % value.encode()
    return Patch(
        kinds.CONFIG_MAP,
        requests_pb2.PatchRequest(name=name, namespace="default", merge_patch=merge),
    )


def remove(name: str) -> DeleteObject:
    request = requests_pb2.DeleteRequest(name=name, namespace="default")
    return DeleteObject(kinds.CONFIG_MAP, request)


def test_what_one_member_did_others_know_when_they_refuse_or_find_nothing_to_do(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        cluster = RaftCluster(tmp_path / "c")
        await cluster.start_all()
        caller = Caller(
            Identity("admin", frozenset({MASTERS})),
            Caches(kinds.Registry(kinds.BUILT_IN)).pods_by_node,
        )

        def writer(store: RaftDatastore) -> Writer:
            ranges = AddressRanges("10.0.0.0/24", range(30000, 30010))
            caches = new_caches()
            return Writer(store, caches, kinds.BUILT_IN, ranges, Turns(), applied_reads=store)

        leader = writer(cluster.stores[cluster.leader])
        behind = [writer(s) for n, s in cluster.stores.items() if n != cluster.leader]
        namespace = namespace_pb2.Namespace(metadata=meta_pb2.ObjectMeta(name="default"))
        await leader.write((Create(kinds.NAMESPACE, namespace),), caller)
        for number in range(ROUNDS):
            name, other = f"n{number}", behind[number % 2]
            await leader.write((create(name),), caller)
            with pytest.raises(RefusedError) as refused:
                await other.write((create(name),), caller, dry_run=True)
            assert refused.value.code is Code.ALREADY_EXISTS
            await leader.write((patch(name, "new"),), caller)
            # To the member that is behind, this may look like what is there already.
            await other.write((patch(name, "old"),), caller)
            await leader.write((patch(name, "new"),), caller)
            await other.write((patch(name, "old"),), caller)
            read = await cluster.stores[cluster.leader].get(f"configmaps/default/{name}".encode())
            assert read is not None
            assert config_pb2.ConfigMap.FromString(read.value).data["k"] == "old"
            await leader.write((create(f"{name}-b"),), caller)
            await other.write((remove(f"{name}-b"),), caller)
        await cluster.stop_all()

    asyncio.run(main())
