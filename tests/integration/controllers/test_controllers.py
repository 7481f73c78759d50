"""The controllers against a real server: declared workloads become pods, and stay so."""

import asyncio
import contextlib
import time

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.apps.v1 import deployment_pb2
from podraft.api.core.v1 import namespace_pb2, service_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load
from podraft.client.errors import NotFoundError
from podraft.server.controllers.app import run
from podraft.server.controllers.core.controller import ControllerOptions
from support.simulated_agent import SimulatedNodes
from support.waiting import eventually_async


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    data = tmp_path_factory.mktemp("server") / "data"
    with ServerProcess(data, components="api,scheduler") as server:
        yield server.data_dir


@contextlib.asynccontextmanager
async def cluster(data_dir, *, nodes=3, prefix="sim", options=None, **agents):
    """Give an admin's client, controllers and simulated nodes; what was made is removed."""
    config = load(data_dir / "controllers.conf")
    options = options or ControllerOptions(identity="test")
    task = asyncio.create_task(run(config, kinds.BUILT_IN, options))
    try:
        async with Client(load(data_dir / "admin.conf")) as client:
            simulated = SimulatedNodes(client, count=nodes, prefix=prefix, **agents)
            async with simulated.running():
                yield client, simulated
                for deployment in (await client.deployments.list()).items:
                    metadata = deployment.metadata
                    await client.deployments.delete(metadata.name, metadata.namespace)
                await no_pods(client)
            for name in simulated.names:
                await client.nodes.delete(name)
                await client.leases.delete(name, "kube-node-lease")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def no_pods(client):
    async def gone():
        return not (await client.pods.list()).items

    await eventually_async(gone, within_s=20)


def new_deployment(name, replicas, image="app:1", namespace="default"):
    deployment = deployment_pb2.Deployment()
    deployment.metadata.name, deployment.metadata.namespace = name, namespace
    deployment.spec.replicas = replicas
    deployment.spec.selector.match_labels["app"] = name
    deployment.spec.template.metadata.labels["app"] = name
    container = deployment.spec.template.spec.containers.add(name="main", image=image)
    container.resources.requests["cpu"].string = "10m"
    container.ports.add(name="http", container_port=8080)
    return deployment


async def until_available(client, name, replicas, namespace="default", within_s=15):
    async def available():
        found = await client.deployments.get(name, namespace)
        status = found.status
        done = (
            status.observed_generation == found.metadata.generation
            and status.updated_replicas == replicas
            and status.available_replicas == replicas
            and status.replicas == replicas
        )
        return found if done else None

    return await eventually_async(available, within_s=within_s)


def test_a_deployment_becomes_bound_ready_pods_and_endpoints_and_goes_again(data_dir):
    async def main():
        async with cluster(data_dir) as (client, _):
            await client.deployments.create(new_deployment("web", 5))
            service = service_pb2.Service()
            service.metadata.name, service.metadata.namespace = "web", "default"
            service.spec.selector["app"] = "web"
            port = service.spec.ports.add(port=80)
            port.target_port.type, port.target_port.str_val = 1, "http"
            await client.services.create(service)
            deployment = await until_available(client, "web", 5)
            assert deployment.metadata.annotations["deployment.kubernetes.io/revision"] == "1"

            async def endpoints():
                slices = (
                    await client.endpoint_slices.list(
                        "default", label_selector="kubernetes.io/service-name=web"
                    )
                ).items
                found = [e for one in slices for e in one.endpoints if e.conditions.ready]
                return slices if len(found) == 5 else None

            [only] = await eventually_async(endpoints)
            assert [port.port for port in only.ports] == [8080]
            assert only.metadata.owner_references[0].kind == "Service"
            await client.services.delete("web", "default")
            await client.deployments.delete("web", "default")
            await no_pods(client)

            async def nothing_left():
                sets = await client.replica_sets.list("default")
                slices = await client.endpoint_slices.list("default")
                return not sets.items and not slices.items

            await eventually_async(nothing_left)

    asyncio.run(main())


def test_a_rolling_update_keeps_its_bounds_and_a_broken_one_keeps_the_old_pods(data_dir):
    async def main():
        async with cluster(data_dir, start_s=0.02) as (client, _):
            await client.deployments.create(new_deployment("web", 4))
            await until_available(client, "web", 4)
            fewest, most = 4, 4

            async def observe():
                nonlocal fewest, most
                while True:
                    pods = (await client.pods.list("default")).items
                    active = [p for p in pods if not p.metadata.HasField("deletion_timestamp")]
                    ready = [
                        p
                        for p in active
                        if any(
                            c.type == "Ready" and c.status == "True" for c in p.status.conditions
                        )
                    ]
                    fewest, most = min(fewest, len(ready)), max(most, len(active))
                    await asyncio.sleep(0.005)

            watching = asyncio.create_task(observe())
            image = {"containers": [{"name": "main", "image": "app:2"}]}
            await client.deployments.patch(
                "web", {"spec": {"template": {"spec": image}}}, "default"
            )
            updated = await until_available(client, "web", 4)
            assert updated.metadata.annotations["deployment.kubernetes.io/revision"] == "2"
            image = {"containers": [{"name": "main", "image": "broken:3"}]}
            await client.deployments.patch(
                "web", {"spec": {"template": {"spec": image}}}, "default"
            )

            async def stuck():
                status = (await client.deployments.get("web", "default")).status
                return status.updated_replicas == 2 and status.available_replicas == 3

            await eventually_async(stuck)
            watching.cancel()
            assert fewest >= 3
            assert most <= 5

    asyncio.run(main())


def test_a_lost_nodes_pods_run_elsewhere_and_the_node_may_return(data_dir):
    options = ControllerOptions(identity="test", node_grace_s=1.0)

    async def main():
        async with cluster(
            data_dir, nodes=3, prefix="fragile", options=options, lease_period_s=0.2
        ) as (client, simulated):
            deployment = new_deployment("web", 6)
            for key in ("not-ready", "unreachable"):
                deployment.spec.template.spec.tolerations.add(
                    key=f"node.kubernetes.io/{key}",
                    operator="Exists",
                    effect="NoExecute",
                    toleration_seconds=0,
                )
            await client.deployments.create(deployment)
            await until_available(client, "web", 6)
            lost = simulated.names[0]
            simulated.silent.add(lost)

            async def moved():
                pods = (await client.pods.list("default")).items
                active = [p for p in pods if not p.metadata.HasField("deletion_timestamp")]
                return len(active) == 6 and all(
                    p.spec.node_name != lost and p.status.phase == "Running" for p in active
                )

            await eventually_async(moved, within_s=10)
            await simulated.recover(lost)

            async def back():
                node = await client.nodes.get(lost)
                return not node.spec.taints and len((await client.pods.list()).items) == 6

            await eventually_async(back, within_s=10)

    asyncio.run(main())


def test_every_node_gets_its_own_range(data_dir):
    async def main():
        async with cluster(data_dir, nodes=20, prefix="many") as (client, _):

            async def ranges():
                nodes = (await client.nodes.list()).items
                found = [node.spec.pod_cidr for node in nodes]
                return found if all(found) else None

            found = await eventually_async(ranges)
            assert len(set(found)) == 20

    asyncio.run(main())


def test_a_namespace_goes_with_all_that_is_inside(data_dir):
    async def main():
        async with cluster(data_dir) as (client, _):
            namespace = namespace_pb2.Namespace()
            namespace.metadata.name = "shop"
            await client.namespaces.create(namespace)
            await client.deployments.create(new_deployment("web", 3, namespace="shop"))
            await until_available(client, "web", 3, "shop")
            await client.namespaces.delete("shop")

            async def gone():
                with contextlib.suppress(NotFoundError):
                    await client.namespaces.get("shop")
                    return False
                return True

            await eventually_async(gone, within_s=20)
            assert not (await client.pods.list("shop")).items

    asyncio.run(main())


def test_foreground_deletion_removes_the_owner_last(data_dir):
    async def main():
        async with cluster(data_dir, stop_s=0.2) as (client, _):
            await client.deployments.create(new_deployment("web", 2))
            await until_available(client, "web", 2)
            await client.deployments.delete(
                "web", "default", propagation=requests_pb2.PROPAGATION_POLICY_FOREGROUND
            )

            async def gone():
                with contextlib.suppress(NotFoundError):
                    await client.deployments.get("web", "default")
                    return False
                return True

            await eventually_async(gone)
            assert not (await client.replica_sets.list("default")).items

    asyncio.run(main())


def test_a_rollout_survives_kills_of_the_server(tmp_path):
    async def main():
        async with contextlib.AsyncExitStack() as stack:
            process = ServerProcess(tmp_path / "data", components="api,scheduler")
            server = stack.enter_context(process)
            client, _ = await stack.enter_async_context(cluster(server.data_dir, start_s=0.02))
            await client.deployments.create(new_deployment("web", 30))
            await until_available(client, "web", 30)
            for version in range(2, 5):
                image = {"containers": [{"name": "main", "image": f"app:{version}"}]}
                await client.deployments.patch(
                    "web", {"spec": {"template": {"spec": image}}}, "default"
                )
                await asyncio.sleep(0.05 * version)  # The rollout is somewhere in its midst.
                server.kill()
                server.start()
                await until_available(client, "web", 30, within_s=40)
                pods = (await client.pods.list("default")).items
                active = [p for p in pods if not p.metadata.HasField("deletion_timestamp")]
                assert len(active) == 30
                assert {p.spec.containers[0].image for p in active} == {f"app:{version}"}
            await client.deployments.delete("web", "default")
            await no_pods(client)

    asyncio.run(main())


def test_pods_of_a_large_revision_are_created_only_once(data_dir):
    async def main():
        async with cluster(data_dir, nodes=6) as (client, _):
            deployment = new_deployment("large", 400)
            deployment.spec.template.metadata.annotations["filler"] = "x" * 9000
            uids = set()

            async def observe():
                async for batch in client.pods.watch("default"):
                    uids.update(event.object.metadata.uid for event in batch)

            watching = asyncio.create_task(observe())
            await client.deployments.create(deployment)
            await until_available(client, "large", 400)
            watching.cancel()
            uids.discard("")  # A bookmark is no pod.
            assert len(uids) == 400

    asyncio.run(main())


def test_scaling_is_told_as_an_event(data_dir):
    async def main():
        async with cluster(data_dir) as (client, _):
            await client.deployments.create(new_deployment("told", 1))

            async def told():
                found = await client.events.list("default", field_selector="regarding.name=told")
                return [event.note for event in found.items if event.reason == "ScalingReplicaSet"]

            [note] = await eventually_async(told)
            assert note.endswith("from 0 to 1")

    asyncio.run(main())


def test_a_thousand_replicas_are_bound_soon(data_dir):
    async def main():
        async with cluster(data_dir, nodes=20, prefix="big") as (client, _):
            started = time.monotonic()
            await client.deployments.create(new_deployment("web", 1000))

            async def bound():
                pods = (await client.pods.list("default")).items
                return len(pods) == 1000 and all(p.spec.node_name for p in pods)

            await eventually_async(bound, within_s=20)
            print(f"1000 pods bound after {time.monotonic() - started:.2f} s")
            await until_available(client, "web", 1000)
            print(f"1000 pods available after {time.monotonic() - started:.2f} s")

    asyncio.run(main())
