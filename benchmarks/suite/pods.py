"""Real pods on real Podman: the time from `apply` to a running process.

For comparison, the same container is created and started in the same minutes on the
same machine, through the API of the same Podman that the agent drives.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from local_cluster import images, network, podman_service
from local_cluster.cluster import LocalCluster
from podraft.api import codec
from podraft.api.apps.v1 import deployment_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError
from suite.figures import Figure, median_figure

_IMAGE = "localhost/bench:1"
_COMMAND = ["/bin/sleep", "3600"]
_ROUNDS = 15
_REPLICAS = 20


@contextlib.contextmanager
def _cluster() -> Iterator[LocalCluster]:
    with tempfile.TemporaryDirectory(prefix="podraft-bench-", dir="/var/tmp") as directory:
        (port,) = network.free_ports(1)
        cluster = LocalCluster("podraft-bench", Path(directory, "state"), [port])
        try:
            cluster.start_server()
            cluster.start_agent()
            tar = images.root_filesystem({})
            images.import_image(cluster.podman_socket, _IMAGE, tar, command=_COMMAND)
            yield cluster
        finally:
            cluster.down()


def _pod(name: str) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "default"
    pod.spec.termination_grace_period_seconds = 0
    pod.spec.containers.add(name="main", image=_IMAGE, command=_COMMAND)
    return pod


def _deployment(replicas: int) -> deployment_pb2.Deployment:
    deployment = deployment_pb2.Deployment()
    deployment.metadata.name, deployment.metadata.namespace = "many", "default"
    deployment.spec.replicas = replicas
    deployment.spec.selector.match_labels["app"] = "many"
    deployment.spec.template.metadata.labels["app"] = "many"
    deployment.spec.template.spec.CopyFrom(_pod("unused").spec)
    return deployment


def _is_running(pod: pod_pb2.Pod) -> bool:
    statuses = pod.status.container_statuses
    return bool(statuses) and all(status.state.HasField("running") for status in statuses)


async def _node_ready(client: Client) -> None:
    async with asyncio.timeout(60):
        async for batch in client.nodes.watch():
            for event in batch:
                for condition in event.object.status.conditions:
                    if condition.type == "Ready" and condition.status == "True":
                        return


async def _until_running(client: Client, count: int, ready: asyncio.Event) -> None:
    running: set[str] = set()
    async with asyncio.timeout(120):
        async for batch in client.pods.watch("default"):
            ready.set()
            running.update(e.object.metadata.name for e in batch if _is_running(e.object))
            if len(running) >= count:
                return


async def _until_gone(client: Client) -> None:
    left: set[str] = set()
    async with asyncio.timeout(120):
        async for batch in client.pods.watch("default"):
            for event in batch:
                if event.type == requests_pb2.WATCH_EVENT_TYPE_DELETED:
                    left.discard(event.object.metadata.name)
                elif event.type != requests_pb2.WATCH_EVENT_TYPE_BOOKMARK:
                    left.add(event.object.metadata.name)
            # The bookmark ends the list of the existing ones.
            if not left:
                return


async def _through_podraft(client: Client, index: int) -> float:
    ready = asyncio.Event()
    watching = asyncio.create_task(_until_running(client, 1, ready))
    await ready.wait()
    begin = time.perf_counter()
    await client.pods.create(_pod(f"one-{index}"))
    await watching
    elapsed = time.perf_counter() - begin
    await client.pods.delete(f"one-{index}", "default")
    await _until_gone(client)
    return elapsed


async def _through_command_line(client: Client, cluster: LocalCluster, index: int) -> float:
    """Return the seconds from starting ``podraft apply`` to a running container."""
    name = f"applied-{index}"
    ready = asyncio.Event()
    watching = asyncio.create_task(_until_running(client, 1, ready))
    await ready.wait()
    begin = time.perf_counter()
    apply = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "podraft"),
        "apply",
        "-f",
        "-",
        env={**os.environ, "PODRAFT_CONFIG": str(cluster.admin_config)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    await apply.communicate(json.dumps(codec.to_json(_pod(name))).encode())
    await watching
    elapsed = time.perf_counter() - begin
    await client.pods.delete(name, "default")
    await _until_gone(client)
    return elapsed


def _through_podman(cluster: LocalCluster, index: int) -> float:
    """Return the seconds to create and start the same container through Podman's API."""
    name = f"bare-{index}"
    spec = {"name": name, "image": _IMAGE, "command": _COMMAND, "netns": {"nsmode": "none"}}
    begin = time.perf_counter()
    with podman_service.connect(cluster.podman_socket) as client:
        made = json.dumps(spec).encode()
        kind = {"Content-Type": "application/json"}
        client.api.post("/containers/create", data=made, headers=kind).raise_for_status()
        client.api.post(f"/containers/{name}/start").raise_for_status()
        elapsed = time.perf_counter() - begin
        # The library's own removal waits for ten seconds.
        at_once = {"force": "true", "timeout": 0}
        client.api.delete(f"/containers/{name}", params=at_once).raise_for_status()
    return elapsed


async def _measure(cluster: LocalCluster) -> list[Figure]:
    async with Client(cluster.config()) as client:
        await _node_ready(client)
        for index in range(2):  # The first containers meet cold caches.
            await _through_podraft(client, -index - 1)
            _through_podman(cluster, -index - 1)
        applied, samples, bare = [], [], []
        for index in range(_ROUNDS):
            applied.append(await _through_command_line(client, cluster, index))
            samples.append(await _through_podraft(client, index))
            bare.append(_through_podman(cluster, index))
        many = [await _replicas(client) for _ in range(3)]
    share = (statistics.median(samples) - statistics.median(bare)) * 1e3
    return [
        median_figure("pods", "apply → running, p50", [s * 1e3 for s in applied], "ms", 500),
        median_figure("pods", "create → running, p50", [s * 1e3 for s in samples], "ms"),
        median_figure(
            "pods", "the same container by Podman alone, p50", [s * 1e3 for s in bare], "ms"
        ),
        Figure("pods", "podraft's own share", share, "ms", 200),
        median_figure("pods", f"{_REPLICAS} replicas running", many, "s", 4),
        Figure("pods", "agent: resident memory", _agent_megabytes(cluster), "MB", 90),
    ]


async def _replicas(client: Client) -> float:
    ready = asyncio.Event()
    watching = asyncio.create_task(_until_running(client, _REPLICAS, ready))
    await ready.wait()
    begin = time.perf_counter()
    await client.deployments.create(_deployment(_REPLICAS))
    await watching
    elapsed = time.perf_counter() - begin
    with contextlib.suppress(ApiError):
        await client.deployments.delete("many", "default")
    await _until_gone(client)
    return elapsed


def _agent_megabytes(cluster: LocalCluster) -> float:
    process = cluster.running("agent")
    return psutil.Process(process.pid).memory_info().rss / 1e6 if process else 0.0


def run() -> Iterator[Figure]:
    """Measure pods on this machine's Podman."""
    with _cluster() as cluster:
        yield from asyncio.run(_measure(cluster))
