"""A commit is one write: whole or not at all, and each part sees the ones before."""

import asyncio
import contextlib
import random

import pytest

from local_cluster.server_process import running
from podraft.api import kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import config_pb2, pod_pb2, scheduling_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    FailedPreconditionError,
    InvalidError,
    NotFoundError,
    OverloadedError,
)
from support.api_objects import example


@pytest.fixture(scope="module")
def server():
    with running() as process:
        yield process


def on_server(server, scenario):
    async def main():
        async with Client(server.config()) as client:
            return await scenario(client)

    return asyncio.run(main())


async def names(client, namespace="default"):
    listed = await client.config_maps.list(namespace)
    return {item.metadata.name for item in listed.items}


def config_map(name, namespace="default"):
    return example(kinds.CONFIG_MAP, name, namespace)


def test_all_writes_share_one_revision_and_answer_in_order(server):
    async def scenario(client):
        response = await client.commit([writes.create(config_map(f"one-{n}")) for n in range(5)])
        created = []
        for packed in response.objects:
            message = config_pb2.ConfigMap()
            assert packed.Unpack(message)
            created.append(message)
        assert [c.metadata.name for c in created] == [f"one-{n}" for n in range(5)]
        assert {c.metadata.resource_version for c in created} == {response.resource_version}
        assert await client.config_maps.get("one-3", "default") == created[3]

    on_server(server, scenario)


def test_a_namespace_and_what_is_in_it_come_together(server):
    async def scenario(client):
        await client.commit(
            [
                writes.create(example(kinds.NAMESPACE, "together")),
                writes.create(config_map("first", "together")),
                writes.patch(kinds.CONFIG_MAP, "first", {"data": {"color": "red"}}, "together"),
                writes.create(config_map("second", "together")),
                writes.delete(kinds.CONFIG_MAP, "second", "together"),
            ]
        )
        assert await names(client, "together") == {"first"}
        first = await client.config_maps.get("first", "together")
        assert first.data["color"] == "red"

    on_server(server, scenario)


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (writes.create(config_map("Bad_Name")), InvalidError, "metadata.name"),
        (writes.create(config_map("one-0")), AlreadyExistsError, "one-0"),
        (writes.delete(kinds.POD, "absent", "default"), NotFoundError, "absent"),
        (writes.patch(kinds.CONFIG_MAP, "one-0", {}, "default", uid="x"), ConflictError, "uid"),
        (writes.create(config_map("a", "nowhere")), NotFoundError, "nowhere"),
        (commit_pb2.Write(), InvalidError, "operation"),
    ],
)
def test_one_bad_write_undoes_all_and_is_named(server, bad, error, text):
    async def scenario(client):
        await _present(client, "one-0")
        before = await names(client)
        with pytest.raises(error, match=text) as refused:
            await client.commit(
                [writes.create(config_map("never-1")), bad, writes.create(config_map("never-2"))]
            )
        assert "writes[1]" in refused.value.message
        for violation in refused.value.violations:
            assert violation.field.startswith("writes[1].")
        assert await names(client) == before

    on_server(server, scenario)


async def _present(client, name):
    with contextlib.suppress(AlreadyExistsError):
        await client.config_maps.create(config_map(name))


def test_a_dry_commit_stores_nothing(server):
    async def scenario(client):
        before = await names(client)
        response = await client.commit([writes.create(config_map("dry"))], dry_run=True)
        assert len(response.objects) == 1
        assert await names(client) == before

    on_server(server, scenario)


def test_too_many_writes_are_refused(server):
    async def scenario(client):
        with pytest.raises(OverloadedError, match="5000"):
            await client.commit([writes.create(config_map("x"))] * 5001)

    on_server(server, scenario)


def test_transfers_between_objects_never_create_or_lose_anything(server):
    """Concurrent commits with preconditions on two objects keep the sum of both."""
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    accounts = [f"account-{n}" for n in range(4)]

    async def scenario(client):
        for name in accounts:
            account = config_map(name)
            account.data["sum"] = "100"
            await client.config_maps.create(account)

        async def transfer():
            for _ in range(15):
                source, target = chance.sample(accounts, 2)
                one = await client.config_maps.get(source, "default")
                two = await client.config_maps.get(target, "default")
                one.data["sum"] = str(int(one.data["sum"]) - 7)
                two.data["sum"] = str(int(two.data["sum"]) + 7)
                try:
                    await client.commit([writes.update(one), writes.update(two)])
                except ConflictError:
                    continue

        async def observe():
            for _ in range(40):
                listed = await client.config_maps.list("default")
                sums = [int(i.data["sum"]) for i in listed.items if i.metadata.name in accounts]
                assert sum(sums) == 400
                await asyncio.sleep(0)

        await asyncio.gather(*(transfer() for _ in range(8)), observe())

    on_server(server, scenario)


def record(message, attempts=1, node=""):
    return scheduling_pb2.SchedulingRecord(
        message=message, attempts=attempts, node_name=node, nodes_considered=3
    )


def test_bind_places_a_pod_once_and_keeps_the_record(server):
    async def scenario(client):
        pod = await client.pods.create(example(kinds.POD, "placed"))
        response = await client.commit(
            [
                writes.bind(
                    "default", "placed", pod.metadata.uid, "node-1", record("ok", node="node-1")
                )
            ]
        )
        bound = pod_pb2.Pod()
        assert response.objects[0].Unpack(bound)
        assert bound.spec.node_name == "node-1"
        conditions = {c.type: c.status for c in bound.status.conditions}
        assert conditions["PodScheduled"] == "True"
        assert (await client.scheduling_record("default", "placed")).node_name == "node-1"

        again = writes.bind("default", "placed", pod.metadata.uid, "node-1").bind
        assert await client.bind_pod(again) == bound
        again.node_name = "node-2"
        with pytest.raises(ConflictError, match="already bound"):
            await client.bind_pod(again)
        again.uid = "other"
        with pytest.raises(ConflictError, match="uid"):
            await client.bind_pod(again)

        await client.pods.delete("placed", "default", grace_period_seconds=0)
        with pytest.raises(NotFoundError):
            await client.scheduling_record("default", "placed")
        await client.pods.create(example(kinds.POD, "placed"))
        with pytest.raises(NotFoundError, match="not been scheduled"):
            await client.scheduling_record("default", "placed")

    on_server(server, scenario)


def test_a_failed_attempt_is_recorded_once_until_it_says_something_new(server):
    async def scenario(client):
        pod = await client.pods.create(example(kinds.POD, "waits"))

        async def attempt(message, attempts):
            request = writes.bind(
                "default", "waits", pod.metadata.uid, "", record(message, attempts)
            ).bind
            return await client.bind_pod(request)

        first = await attempt("no node has enough cpu", 1)
        (condition,) = [c for c in first.status.conditions if c.type == "PodScheduled"]
        assert (condition.status, condition.reason) == ("False", "Unschedulable")
        assert condition.message == "no node has enough cpu"
        before = (await client.version()).resource_version
        assert await attempt("no node has enough cpu", 2) == first
        assert (await client.version()).resource_version == before
        assert (await attempt("no node has enough memory", 3)) != first

    on_server(server, scenario)


def test_a_pod_that_is_being_deleted_is_not_bound(server):
    async def scenario(client):
        proposed = example(kinds.POD, "leaves")
        proposed.metadata.finalizers.append("example.com/hold")
        pod = await client.pods.create(proposed)
        await client.pods.delete("leaves", "default")
        with pytest.raises(FailedPreconditionError, match="being deleted"):
            await client.commit([writes.bind("default", "leaves", pod.metadata.uid, "node-1")])

    on_server(server, scenario)


def test_errors_are_api_errors_with_codes(server):
    async def scenario(client):
        with pytest.raises(ApiError) as refused:
            await client.bind_pod(scheduling_pb2.BindPodRequest(namespace="default", name="x"))
        assert refused.value.code.name == "NOT_FOUND"

    on_server(server, scenario)
