"""Jobs, cron jobs and daemon sets against a real server, with the real scheduler."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import codec, kinds
from podraft.api.objects import conditions
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import ApiError, NotFoundError
from podraft.server.controllers.app import run
from podraft.server.controllers.core.controller import ControllerOptions
from support.simulated_agent import SimulatedNodes
from support.waiting import eventually_async

JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "sums", "namespace": "default"},
    "spec": {
        "completions": 3,
        "parallelism": 2,
        "completionMode": "Indexed",
        "ttlSecondsAfterFinished": 0,
        "template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "app:1"}]}
        },
    },
}


DAEMON_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "logs", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "logs"}},
        "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}},
        "template": {
            "metadata": {"labels": {"app": "logs"}},
            "spec": {"containers": [{"name": "main", "image": "app:1"}]},
        },
    },
}
CRON_JOB: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "often", "namespace": "default"},
    "spec": {"schedule": "@every 1s", "jobTemplate": {"spec": {**JOB["spec"], "suspend": True}}},
}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    data = tmp_path_factory.mktemp("server") / "data"
    with ServerProcess(data, components="api,scheduler") as server:
        yield server.data_dir


@contextlib.asynccontextmanager
async def controlled(data_dir: Path) -> AsyncIterator[Client]:
    """Give an admin's client of a server whose controllers run."""
    options = ControllerOptions(identity="test")
    task = asyncio.create_task(run(load(data_dir / "controllers.conf"), kinds.BUILT_IN, options))
    try:
        async with Client(load(data_dir / "admin.conf")) as client:
            yield client
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_daemon_set_has_a_pod_on_each_node_and_rolls_out(data_dir):
    async def main() -> None:
        async with controlled(data_dir) as client:
            nodes = SimulatedNodes(client, count=3, prefix="ds")
            async with nodes.running():
                made: Any = codec.from_json(DAEMON_SET)
                await client.daemon_sets.create(made)
                await everywhere(client, set(nodes.names), "app:1")
                template = {"spec": {"containers": [{"name": "main", "image": "app:2"}]}}
                await client.daemon_sets.patch("logs", {"spec": {"template": template}}, "default")
                await everywhere(client, set(nodes.names), "app:2")
                revisions = (await client.controller_revisions.list("default")).items
                assert sorted(one.revision for one in revisions) == [1, 2]
                await client.daemon_sets.delete("logs", "default")

                async def gone() -> bool:
                    return not (await client.pods.list("default")).items

                await eventually_async(gone, within_s=20)

    asyncio.run(main())


async def everywhere(client: Client, nodes: set[str], image: str) -> None:
    """Wait until each node has a ready pod of an image, and no other one."""

    async def placed() -> bool:
        found = await client.daemon_sets.get("logs", "default")
        pods = (await client.pods.list("default")).items
        images = {pod.spec.containers[0].image for pod in pods}
        places = sorted(pod.spec.node_name for pod in pods)
        is_available = found.status.number_available == len(nodes)
        return is_available and images == {image} and places == sorted(nodes)

    await eventually_async(placed, within_s=20)


def test_a_cron_job_makes_jobs(data_dir):
    async def main() -> None:
        async with controlled(data_dir) as client:
            made: Any = codec.from_json(CRON_JOB)
            await client.cron_jobs.create(made)

            async def noted() -> bool:
                found = await client.cron_jobs.get("often", "default")
                jobs = (await client.jobs.list("default")).items
                return bool(jobs) and found.status.active[0].uid == jobs[0].metadata.uid

            await eventually_async(noted, within_s=20)
            await client.cron_jobs.delete("often", "default")

            async def gone() -> bool:
                return not (await client.jobs.list("default")).items

            await eventually_async(gone, within_s=20)

    asyncio.run(main())


def test_a_job_is_done_when_each_index_has_succeeded_and_then_goes(data_dir):
    async def main() -> None:
        async with controlled(data_dir) as client:
            await follow(client)

    asyncio.run(main())


async def follow(client: Client) -> None:
    job: Any = codec.from_json(JOB)
    await client.jobs.create(job)
    indexes = set()
    complete = asyncio.create_task(see_the_end(client))

    async def all_ended() -> bool:
        pods = (await client.pods.list("default")).items
        waiting = [pod for pod in pods if pod.status.phase == "Pending"]
        assert len(waiting) <= 2, "no more pods than parallelism"
        for pod in waiting:
            indexes.add(pod.spec.hostname)
            pod.status.phase = "Succeeded"
            with contextlib.suppress(ApiError):
                await client.pods.update_status(pod)
        return len(indexes) == 3 and not waiting

    await eventually_async(all_ended, within_s=20)
    assert indexes == {"sums-0", "sums-1", "sums-2"}
    status = await complete
    assert status.completed_indexes == "0-2"
    assert (status.succeeded, status.failed) == (3, 0)

    async def gone() -> bool:
        try:
            await client.jobs.get("sums", "default")
        except NotFoundError:
            return not (await client.pods.list("default")).items
        return False

    await eventually_async(gone, within_s=20)


async def see_the_end(client: Client) -> Any:
    async for batch in client.jobs.watch("default"):
        for event in batch:
            status = event.object.status
            if conditions.is_true(status.conditions, "Complete"):
                return status
    return None
