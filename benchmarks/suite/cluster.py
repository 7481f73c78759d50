"""Scheduler, controllers and the control plane at rest; nodes are simulated."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator

from podraft.api.apps.v1 import deployment_pb2
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from suite.api import result, spawn
from suite.figures import Figure, median_figure
from suite.load import pod
from suite.server import Server, server

_PODS = 3_000
_REPLICAS = 1_000
_REST_SECONDS = 15.0


def _node(name: str) -> node_pb2.Node:
    node = node_pb2.Node()
    node.metadata.name = name
    node.metadata.labels["kubernetes.io/hostname"] = name
    for amounts in (node.status.capacity, node.status.allocatable):
        for resource, amount in (("cpu", "16"), ("memory", "64Gi"), ("pods", "110")):
            amounts[resource].string = amount
    node.status.conditions.add(type="Ready", status="True", reason="AgentReady")
    return node


async def _create_nodes(client: Client, count: int) -> None:
    nodes = [_node(f"node-{index:04}") for index in range(count)]
    for begin in range(0, count, 500):
        await client.commit(
            [writes.create(node) for node in nodes[begin : begin + 500]], omit_objects=True
        )


async def _bound(client: Client, count: int, ready: asyncio.Event) -> float:
    """Return the time at which ``count`` pods of the default namespace were bound."""
    bound: set[str] = set()
    async for batch in client.pods.watch("default"):
        ready.set()
        for event in batch:
            if event.object.spec.node_name:
                bound.add(event.object.metadata.name)
        if len(bound) >= count:
            return time.perf_counter()
    raise RuntimeError("the watch ended")


async def _time_to_bind(
    config: Server, count: int, begin: Callable[[Client], Awaitable[object]]
) -> float:
    """Return the seconds from just before ``begin`` until ``count`` pods are bound."""
    async with Client(config.config) as client:
        ready = asyncio.Event()
        watching = asyncio.create_task(_bound(client, count, ready))
        await ready.wait()
        started = time.perf_counter()
        await begin(client)
        async with asyncio.timeout(300):
            return await watching - started


def scheduling(nodes: int, goal: float) -> Iterator[Figure]:
    """Measure pods bound per second while other processes create them."""
    with server("api,scheduler") as running:

        async def measure() -> float:
            async with Client(running.config) as client:
                await _create_nodes(client, nodes)
                await client.pods.create(_warm_up_pod())
            return await _time_to_bind(running, _PODS + 1, create)

        async def create(client: Client) -> None:
            job = {"job": "create", "kind": "Pod", "clients": 32, "prefix": "p"}
            child = spawn(running, {**job, "total": _PODS - 1})
            await asyncio.to_thread(result, child)

        elapsed = asyncio.run(measure())
    name = f"pods bound while being created, {nodes:,} nodes"
    yield Figure("scheduling", name, _PODS / elapsed, "/s", goal, higher_is_better=True)


def _warm_up_pod() -> pod_pb2.Pod:
    return pod("warm-up")


def _deployment(name: str, replicas: int) -> deployment_pb2.Deployment:
    deployment = deployment_pb2.Deployment()
    deployment.metadata.name, deployment.metadata.namespace = name, "default"
    deployment.spec.replicas = replicas
    deployment.spec.selector.match_labels["app"] = name
    template = pod("unused")
    deployment.spec.template.metadata.labels["app"] = name
    deployment.spec.template.spec.CopyFrom(template.spec)
    return deployment


def deployments() -> Iterator[Figure]:
    """Measure a Deployment from nothing to 1,000 bound pods."""
    samples = []
    for _ in range(3):
        with server("all") as running:

            async def measure(running: Server = running) -> float:
                from support.simulated_agent import SimulatedNodes

                deployment = _deployment("big", _REPLICAS)
                async with (
                    Client(running.config) as client,
                    SimulatedNodes(client, count=20, pods_max=110).running(),
                ):
                    return await _time_to_bind(
                        running, _REPLICAS, lambda one: one.deployments.create(deployment)
                    )

            samples.append(asyncio.run(measure()))
    yield median_figure("cluster", "Deployment 0 → 1,000 bound pods", samples, "s", 2.5)


def rest() -> Iterator[Figure]:
    """Measure what the control plane uses when nothing happens."""
    with server("all") as running:
        time.sleep(5)  # Leader election and first lists are over by then.
        megabytes = [running.resident_megabytes()]
        before, begin = running.cpu_seconds(), time.perf_counter()
        for _ in range(3):
            time.sleep(_REST_SECONDS / 3)
            megabytes.append(running.resident_megabytes())
        share = (running.cpu_seconds() - before) / (time.perf_counter() - begin)
    memory = statistics.median(megabytes)
    yield Figure("cluster", "control plane at rest: resident memory in sum", memory, "MB", 200)
    yield Figure("cluster", "control plane at rest: of one core", share * 100, "%", 4)


def run() -> Iterator[Figure]:
    """Measure scheduler, controllers and the control plane at rest."""
    yield from scheduling(1_000, 700)
    yield from scheduling(5_000, 700)
    yield from deployments()
    yield from rest()
