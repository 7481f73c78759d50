"""Three members keep the contract, whichever of them one talks to, through restarts of them all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from conformance.datastore_suite import DatastoreSuite, OpenStore
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.store.options import StoreOptions
from support.raft_cluster import RaftCluster


def opener(cluster: RaftCluster, *, leader: bool) -> OpenStore:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[RaftDatastore]:
        await cluster.start_all()
        try:
            chosen = next(n for n in cluster.stores if (n == cluster.leader) is leader)
            yield cluster.stores[chosen]
        finally:
            await cluster.stop_all()

    return open_store


class TestLeader(DatastoreSuite):
    """Talking to the leader."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return opener(RaftCluster(tmp_path / "data"), leader=True)


class TestFollower(DatastoreSuite):
    """Talking to a follower, with little memory: it forwards writes and asks before it reads."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        options = StoreOptions(
            bookmark_interval_s=0.05,
            recent_events=2,
            segment_bytes=4096,
            history_map_bytes=64 * 1024,
            history_flush_interval_s=0.01,
        )
        return opener(RaftCluster(tmp_path / "data", store_options=options), leader=False)
