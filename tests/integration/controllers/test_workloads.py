"""Workloads and disruption budgets against a real server, with the real scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import codec, kinds
from podraft.api.meta.v1 import requests_pb2
from podraft.api.objects import conditions
from podraft.api.objects.pods import is_active, is_ready
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import ApiError, NotFoundError
from podraft.server.controllers.app import run
from podraft.server.controllers.core.controller import ControllerOptions
from support.cli_server import COMMAND
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
STATEFUL_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "db", "namespace": "default"},
    "spec": {**DAEMON_SET["spec"], "replicas": 3, "updateStrategy": {}},
}
REPLICATION_CONTROLLER: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ReplicationController",
    "metadata": {"name": "old", "namespace": "default"},
    "spec": {
        "replicas": 2,
        "template": {
            "metadata": {"labels": {"app": "old"}},
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

WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "app:1"}]},
        },
    },
}
BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}},
}

END: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "end", "namespace": "default"},
    "spec": {"containers": [{"name": "main", "image": "app:1"}]},
}

URGENT: dict[str, Any] = {
    "apiVersion": "scheduling.k8s.io/v1",
    "kind": "PriorityClass",
    "metadata": {"name": "urgent"},
    "value": 1000,
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
                await no_pods(client)
                await removed(client, nodes)

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


def test_drains_leave_as_many_pods_as_a_budget_wants(data_dir):
    async def main() -> None:
        async with controlled(data_dir) as client:
            nodes = SimulatedNodes(client, count=2, prefix="pdb")
            async with nodes.running():
                web: Any = codec.from_json(WEB)
                budget: Any = codec.from_json(BUDGET)
                await client.deployments.create(web)
                await client.pod_disruption_budgets.create(budget)
                await allowing(client, 1)
                fewest = asyncio.create_task(fewest_healthy(client))
                first, second = nodes.names
                code, said = await drained(data_dir, first, "30s")
                assert (code, f"node/{first} drained" in said) == (0, True), said
                await allowing(client, 1)
                # Nothing can run elsewhere now: one pod may go, the second would be one too many.
                code, said = await drained(data_dir, second, "2s")
                assert code == 1
                assert 'disruption budget "web" needs 2 healthy pods and has 2' in said
                await allowing(client, 0)
                end: Any = codec.from_json(END)
                await client.pods.create(end)
                assert await asyncio.wait_for(fewest, 20) == 2
                await client.deployments.delete("web", "default")
                await client.pods.delete("end", "default")
                await no_pods(client)
                await removed(client, nodes)

    asyncio.run(main())


async def allowing(client: Client, number: int) -> None:
    """Wait until the budget, counted, allows a number of evictions."""

    async def counted() -> bool:
        found = await client.pod_disruption_budgets.get("web", "default")
        healthy = found.status.current_healthy
        return (healthy, found.status.disruptions_allowed) == (2 + number, number)

    await eventually_async(counted, within_s=20)


async def drained(data_dir: Path, node: str, timeout: str) -> tuple[int | None, str]:
    """Drain a node by the command; return its exit code and all that it says."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "drain", node, f"--timeout={timeout}"),
        env={**os.environ, "PODRAFT_CONFIG": str(data_dir / "admin.conf")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def fewest_healthy(client: Client) -> int:
    """Return the lowest number of healthy pods that was seen before a pod called ``end`` came."""
    listed = await client.pods.list("default")
    healthy = {pod.metadata.name for pod in listed.items}
    fewest = len(healthy)
    async for batch in client.pods.watch("default", resource_version=listed.resource_version):
        for event in batch:
            pod = event.object
            if pod.metadata.name == "end":
                return fewest
            is_gone = event.type == requests_pb2.WATCH_EVENT_TYPE_DELETED
            stays = not is_gone and is_ready(pod) and is_active(pod)
            (healthy.add if stays else healthy.discard)(pod.metadata.name)
            fewest = min(fewest, len(healthy))
    raise AssertionError("the watch ended")


async def no_pods(client: Client) -> None:
    """Wait until there is no pod."""

    async def gone() -> bool:
        return not (await client.pods.list("default")).items

    await eventually_async(gone, within_s=20)


async def removed(client: Client, nodes: SimulatedNodes) -> None:
    """Remove nodes, so that no later test's pods come to them."""
    for name in nodes.names:
        await client.nodes.delete(name)


def test_the_most_important_pod_gets_the_only_place(data_dir):
    async def main() -> None:
        async with controlled(data_dir) as client:
            classes = client.priority_classes
            system = {one.metadata.name: one.value for one in (await classes.list()).items}
            assert system["system-node-critical"] > system["system-cluster-critical"] > 10**9
            urgent: Any = codec.from_json(URGENT)
            await classes.create(urgent)
            for name, class_name in (("early", ""), ("late", "urgent"), ("last", "")):
                pod: Any = codec.from_json(END)
                pod.metadata.name = name
                if class_name:
                    pod.spec.priority_class_name = class_name
                made = await client.pods.create(pod)
                assert made.spec.priority == (1000 if class_name else 0)
            nodes = SimulatedNodes(client, count=1, prefix="pc", pods_max=1)
            async with nodes.running():

                async def placed() -> bool:
                    pods = (await client.pods.list("default")).items
                    with_node = [pod.metadata.name for pod in pods if pod.spec.node_name]
                    assert with_node in ([], ["late"])
                    return bool(with_node)

                await eventually_async(placed, within_s=20)
                for name in ("early", "last", "late"):
                    await client.pods.delete(name, "default")
                await no_pods(client)
                await removed(client, nodes)
            await classes.delete("urgent")

    asyncio.run(main())


def test_a_stateful_set_and_a_replication_controller_have_the_pods_that_they_say(data_dir):
    async def main() -> None:
        async with controlled(data_dir) as client:
            nodes = SimulatedNodes(client, count=2, prefix="sts")
            async with nodes.running():
                for manifest in (STATEFUL_SET, REPLICATION_CONTROLLER):
                    made: Any = codec.from_json(manifest)
                    await client.resource(kinds.BUILT_IN.of(made)).create(made)
                await numbered(client, 3, "app:1")
                template = {"spec": {"containers": [{"name": "main", "image": "app:2"}]}}
                patch = {"spec": {"template": template, "replicas": 2}}
                await client.stateful_sets.patch("db", patch, "default")
                await numbered(client, 2, "app:2")
                await alike(client, 2)
                scale = {"spec": {"replicas": 1}}
                await client.replication_controllers.patch(
                    "old", scale, "default", subresource="scale"
                )
                await alike(client, 1)
                await client.stateful_sets.delete("db", "default")
                await client.replication_controllers.delete("old", "default")
                await no_pods(client)
                await removed(client, nodes)

    asyncio.run(main())


async def numbered(client: Client, count: int, image: str) -> None:
    """Wait until the stateful set has so many ready pods, all of an image, and says so."""

    async def rolled_out() -> bool:
        status = (await client.stateful_sets.get("db", "default")).status
        pods = (await client.pods.list("default", label_selector="app=logs")).items
        images = {pod.metadata.name: pod.spec.containers[0].image for pod in pods}
        is_done = status.ready_replicas == status.updated_replicas == status.replicas == count
        is_current = status.current_revision == status.update_revision
        return is_done and is_current and images == {f"db-{n}": image for n in range(count)}

    await eventually_async(rolled_out, within_s=20)


async def alike(client: Client, count: int) -> None:
    """Wait until the replication controller has so many ready pods, and its scale says so."""

    async def scaled() -> bool:
        controller = await client.replication_controllers.get("old", "default")
        scale = await client.replication_controllers.get_scale("old", "default")
        pods = (await client.pods.list("default", label_selector=scale.status.selector)).items
        return controller.status.ready_replicas == scale.status.replicas == len(pods) == count

    await eventually_async(scaled, within_s=20)


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
