"""Every server says whether it should get calls, and what it measures."""

from __future__ import annotations

import asyncio
import socket

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from integration.diagnosis.conftest import WatchedGroup, page
from local_cluster.server_process import running
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from support.waiting import eventually


def _health(config: ClusterConfig) -> int:
    """What a load balancer is told by gRPC's health service."""
    credentials = grpc.ssl_channel_credentials(
        config.certificate_authority, config.client_key, config.client_certificate
    )
    options = [("grpc.ssl_target_name_override", config.server_name)]
    with grpc.secure_channel(config.servers[0], credentials, options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)


async def _create(config: ClusterConfig, count: int) -> None:
    async with Client(config) as client:
        for number in range(count):
            name = f"c{number}"
            metadata = ObjectMeta(name=name, namespace="default")
            await client.config_maps.create(ConfigMap(metadata=metadata))


def test_a_group_tells_what_it_measures_and_who_is_ready(watched: WatchedGroup):
    leader, (second, third) = watched.leader, watched.followers
    asyncio.run(_create(watched.group.config(second), 5))
    for name in watched.ports:
        assert watched.page(name, "/healthz").status == 200
        assert watched.page(name, "/readyz").status == 200

    def probed() -> bool:
        metrics = watched.metrics(leader)
        return all(
            metrics.get(f'podraft_peer_round_trip_seconds_count{{peer="{peer}"}}')
            for peer in (second, third)
        )

    eventually(probed, within_s=20)
    of_leader, of_follower = watched.metrics(leader), watched.metrics(second)
    assert of_leader["podraft_raft_is_leader"] == 1
    assert of_follower["podraft_raft_is_leader"] == 0
    assert of_follower['podraft_raft_role{role="follower"}'] == 1
    assert of_leader["podraft_raft_term"] == of_follower["podraft_raft_term"] >= 1
    assert of_leader["podraft_raft_leader_changes_total"] >= 1
    for metrics in (of_leader, of_follower):
        assert metrics["podraft_raft_applied_index"] > 5
        assert metrics["podraft_raft_committed_index"] <= metrics["podraft_raft_last_index"]
        assert metrics["podraft_wal_fsync_duration_seconds_count"] >= 5
        assert (
            metrics['podraft_wal_fsync_duration_seconds_bucket{le="+Inf"}']
            == (metrics["podraft_wal_fsync_duration_seconds_count"])
        )
        assert metrics["podraft_wal_fsync_duration_seconds_sum"] > 0
        assert metrics["podraft_wal_size_bytes"] > 0
        assert metrics["podraft_history_size_bytes"] > 0
        assert metrics["podraft_proposals_pending"] == 0
        assert metrics["podraft_ready"] == 1
    assert f'podraft_raft_follower_lag_entries{{peer="{second}"}}' in of_leader
    assert of_follower["podraft_raft_read_rounds_total"] >= 0
    # It is one clock; an answer that came late says little, a quicker one follows.
    offset = f'podraft_peer_clock_offset_seconds{{peer="{third}"}}'
    eventually(lambda: abs(watched.metrics(leader)[offset]) < 0.1, within_s=20)
    assert of_leader["podraft_state_split"] == 0
    assert "podraft_state_compared_index" in of_leader

    # Without a majority nobody is ready, and everybody says why.
    watched.group.servers[third].kill()
    watched.group.servers[second].kill()

    def unready() -> bool:
        told = watched.page(leader, "/readyz")
        return told.status == 503 and "no leader is known" in told.text

    eventually(unready, within_s=20)
    assert watched.page(leader, "/healthz").status == 200
    assert watched.metrics(leader)["podraft_ready"] == 0
    assert watched.metrics(leader)[f'podraft_peer_connected{{peer="{second}"}}'] == 0
    config = watched.group.config(leader)
    not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
    eventually(lambda: _health(config) == not_serving, within_s=10)


def test_a_server_alone_tells_of_its_disk_and_that_it_is_ready():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running([f"--metrics-listen=127.0.0.1:{port}"]) as process:
        asyncio.run(_create(process.config(), 2))
        assert page(port, "/healthz").text == "ok\n"
        assert page(port, "/readyz").status == 200
        text = page(port, "/metrics").text
        assert "podraft_wal_fsync_duration_seconds_count" in text
        assert "podraft_raft_term" not in text
        assert _health(process.config()) == health_pb2.HealthCheckResponse.SERVING
