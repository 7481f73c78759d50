"""A job against a real server: its pods are made, counted once and kept no longer than needed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from local_cluster.server_process import ServerProcess
from podraft.api import codec, kinds
from podraft.api.objects import conditions
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import ApiError, NotFoundError
from podraft.server.controllers.app import run
from podraft.server.controllers.core.controller import ControllerOptions
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


def test_a_job_is_done_when_each_index_has_succeeded_and_then_goes(tmp_path):
    async def main(server: ServerProcess) -> None:
        options = ControllerOptions(identity="test")
        controllers = asyncio.create_task(
            run(load(server.data_dir / "controllers.conf"), kinds.BUILT_IN, options)
        )
        try:
            async with Client(load(server.data_dir / "admin.conf")) as client:
                await follow(client)
        finally:
            controllers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await controllers

    with ServerProcess(tmp_path / "data", components="api") as server:
        asyncio.run(main(server))


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
