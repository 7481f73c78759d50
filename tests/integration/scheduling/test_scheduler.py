"""The scheduler against a real API server: binds, waits, explains, survives restarts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod, PodCondition
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import ApiError, NotFoundError
from podraft.server.scheduling.app import run
from podraft.server.scheduling.binder import Binding, store
from podraft.server.scheduling.core.demand import Profiles
from podraft.server.scheduling.core.schedule import Decision
from podraft.server.scheduling.queue import Entry
from support.scheduling.clusters import make_node, make_pod
from support.waiting import eventually_async

ItemT = TypeVar("ItemT")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run an API server without a scheduler; return where its configurations are."""
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server.data_dir


@contextlib.asynccontextmanager
async def scheduling(data_dir: Path) -> AsyncIterator[None]:
    """Run the scheduler; the block ends it."""
    task = asyncio.create_task(run(load(data_dir / "scheduler.conf")))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def cluster(data_dir: Path, *nodes: Node) -> AsyncIterator[Client]:
    """Give an admin's client of a cluster that has these nodes, and nothing after."""
    async with Client(load(data_dir / "admin.conf")) as client:
        for node in nodes:
            await add_node(client, node)
        try:
            yield client
        finally:
            for pod in (await client.pods.list()).items:
                with contextlib.suppress(NotFoundError):
                    await client.pods.delete(
                        pod.metadata.name, pod.metadata.namespace, grace_period_seconds=0
                    )
            for node in (await client.nodes.list()).items:
                await client.nodes.delete(node.metadata.name)


async def add_node(client: Client, node: Node) -> None:
    await client.nodes.create(node)
    await client.nodes.update_status(node)


def new_pod(name: str, **requests: str) -> Pod:
    pod = make_pod(name, **requests)
    pod.metadata.ClearField("uid")
    return pod


async def met(
    condition: Callable[[], Awaitable[list[ItemT]]], within_s: float = 10.0
) -> list[ItemT]:
    """Return the condition's first list that is not empty."""
    found: list[ItemT] = []

    async def try_once() -> bool:
        found[:] = await condition()
        return bool(found)

    done: bool = await eventually_async(try_once, within_s=within_s)
    assert done
    return found


async def node_of(client: Client, name: str) -> str:
    return (await client.pods.get(name, "default")).spec.node_name


async def until_bound(client: Client, *names: str, within_s: float = 10.0) -> list[str]:
    async def nodes() -> list[str]:
        found = [await node_of(client, name) for name in names]
        return found if all(found) else []

    return await met(nodes, within_s=within_s)


async def until_unschedulable(client: Client, name: str, message: str) -> PodCondition:
    async def condition() -> list[PodCondition]:
        pod = await client.pods.get(name, "default")
        return [
            c
            for c in pod.status.conditions
            if c.type == "PodScheduled" and c.status == "False" and message in c.message
        ]

    [found] = await met(condition)
    return found


def test_pods_are_bound_and_why_is_recorded(data_dir: Path) -> None:
    async def main() -> None:
        nodes = [make_node(f"n{i}", cpu="4") for i in range(3)]
        async with cluster(data_dir, *nodes) as client, scheduling(data_dir):
            names = [f"web-{i}" for i in range(6)]
            await client.commit(
                [writes.create(new_pod(name, owner="owner", cpu="100m")) for name in names]
            )
            bound = await until_bound(client, *names)
            assert sorted(bound) == ["n0", "n0", "n1", "n1", "n2", "n2"]
            record = await client.scheduling_record("default", "web-0")
            assert record.node_name == await node_of(client, "web-0")
            assert record.nodes_considered == 3
            assert record.scores[0].node_name == record.node_name
            assert record.attempts == 1
            assert abs(record.attempted_at.seconds - time.time()) < 60

    asyncio.run(main())


def test_what_fits_nowhere_says_why_and_is_bound_once_a_node_comes(data_dir: Path) -> None:
    async def main() -> None:
        async with cluster(data_dir, make_node("small", cpu="1")) as client, scheduling(data_dir):
            await client.pods.create(new_pod("big", cpu="3"))
            condition = await until_unschedulable(client, "big", "insufficient cpu")
            assert condition.reason == "Unschedulable"
            assert condition.message == "0/1 nodes are available: 1 insufficient cpu."
            record = await client.scheduling_record("default", "big")
            assert not record.node_name
            assert [(r.filter, r.nodes) for r in record.rejections] == [("NodeResourcesFit", 1)]
            await add_node(client, make_node("large", cpu="4"))
            # Much sooner than the back-off: the node's coming woke it.
            assert await until_bound(client, "big", within_s=5) == ["large"]

    asyncio.run(main())


def test_room_that_a_deleted_pod_leaves_is_used_at_once(data_dir: Path) -> None:
    async def main() -> None:
        async with cluster(data_dir, make_node("n", cpu="1")) as client, scheduling(data_dir):
            await client.pods.create(new_pod("first", cpu="1"))
            await until_bound(client, "first")
            await client.pods.create(new_pod("second", cpu="1"))
            await until_unschedulable(client, "second", "insufficient cpu")
            await client.pods.delete("first", "default", grace_period_seconds=0)
            await until_bound(client, "second", within_s=5)

    asyncio.run(main())


def test_a_restarted_scheduler_counts_what_is_bound_and_continues_at_once(data_dir: Path) -> None:
    async def main() -> None:
        async with cluster(data_dir, *(make_node(f"n{i}", cpu="1") for i in range(2))) as client:
            async with scheduling(data_dir):
                await client.pods.create(new_pod("a", cpu="800m"))
                await until_bound(client, "a")
            await client.commit([writes.create(new_pod(name, cpu="800m")) for name in ("b", "c")])
            async with scheduling(data_dir):

                async def two_are_bound() -> list[str]:
                    bound = [name for name in "abc" if await node_of(client, name)]
                    return bound if len(bound) == 2 else []

                await met(two_are_bound, within_s=8)
                waiting = "c" if await node_of(client, "b") else "b"
                await until_unschedulable(client, waiting, "2 insufficient cpu")
                assert await node_of(client, "a") != await node_of(client, "bc".strip(waiting))

    asyncio.run(main())


def test_another_schedulers_pods_are_left_alone(data_dir: Path) -> None:
    async def main() -> None:
        async with cluster(data_dir, make_node("n")) as client, scheduling(data_dir):
            foreign = new_pod("foreign")
            foreign.spec.scheduler_name = "my-scheduler"
            await client.pods.create(foreign)
            await client.pods.create(new_pod("ours"))
            await until_bound(client, "ours")
            assert not await node_of(client, "foreign")

    asyncio.run(main())


def test_a_cordoned_and_a_silent_node_get_no_pods(data_dir: Path) -> None:
    async def main() -> None:
        cordoned, silent = make_node("cordoned"), make_node("silent")
        cordoned.spec.unschedulable = True
        silent.status.conditions[0].status = "Unknown"
        async with cluster(data_dir, cordoned, silent) as client, scheduling(data_dir):
            await client.pods.create(new_pod("p"))
            await until_unschedulable(client, "p", "1 node(s) were unschedulable")
            await until_unschedulable(client, "p", "{node.kubernetes.io/not-ready: }")
            await client.nodes.patch("cordoned", {"spec": {"unschedulable": False}})
            assert await until_bound(client, "p", within_s=5) == ["cordoned"]

    asyncio.run(main())


def test_one_refused_write_does_not_hold_up_its_batch(data_dir: Path) -> None:
    async def main() -> None:
        async with cluster(data_dir, make_node("n")) as client:
            made = [await client.pods.create(new_pod(f"p{i}")) for i in range(8)]
            profiles = Profiles()
            dropped: list[tuple[str, type[ApiError]]] = []

            def binding(pod: Pod) -> Binding:
                pending = profiles.pending(pod)
                write = writes.bind("default", pending.name, pending.uid, "n")
                return Binding(Entry(pending), Decision(pending, "n", write.bind.record), write)

            bindings = [binding(pod) for pod in made]
            bindings[3].write.bind.uid = "another"
            await client.pods.delete("p5", "default", grace_period_seconds=0)
            await store(
                bindings,
                lambda batch: client.commit(batch, omit_objects=True),
                lambda refused, error: dropped.append((refused.entry.pod.name, type(error))),
            )
            assert [name for name, _ in dropped] == ["p3", "p5"]
            bound = [bool(await node_of(client, f"p{i}")) for i in range(8) if i != 5]
            assert bound == [True, True, True, False, True, True, True]

    asyncio.run(main())
