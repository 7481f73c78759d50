"""Waits for one object, against a real server: by watch, with a deadline."""

from __future__ import annotations

import asyncio

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api.core.v1 import config_pb2, node_pb2
from podraft.client.calls.client import Client
from podraft.client.connecting.config import load


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as server:
        yield server.data_dir


def run(data_dir, test):
    async def main():
        async with Client(load(data_dir / "admin.conf")) as client, asyncio.timeout(60):
            await test(client)

    asyncio.run(main())


def entry(name, **data):
    made = config_pb2.ConfigMap(data=data)
    made.metadata.name, made.metadata.namespace = name, "default"
    return made


class Seen(asyncio.Event):
    """What a wait was shown, with an event for the first time."""

    def __init__(self, enough):
        super().__init__()
        self.states, self.enough = [], enough

    def __call__(self, obj):
        self.states.append(obj and obj.data["n"])
        self.set()
        return self.states[-1] == self.enough


def test_a_wait_begins_before_the_object_and_is_shown_each_state(data_dir):
    async def test(client):
        seen = Seen("2")
        waiting = asyncio.create_task(
            client.config_maps.wait("late", seen, "default", timeout_s=30)
        )
        await seen.wait()
        await client.config_maps.create(entry("other", n="2"))
        for number in range(3):
            if not number:
                await client.config_maps.create(entry("late", n="0"))
            else:
                await client.config_maps.patch("late", {"data": {"n": str(number)}}, "default")
        assert (await waiting).data["n"] == "2"
        assert seen.states[0] is None
        assert [state for state in seen.states if state] == sorted(filter(None, seen.states))

    run(data_dir, test)


def test_a_condition_is_waited_for_by_its_status(data_dir):
    async def test(client):
        made = node_pb2.Node()
        made.metadata.name = "n1"
        made = await client.nodes.create(made)
        waiting = asyncio.create_task(
            client.nodes.wait_for_condition("n1", "Ready", status="False", timeout_s=30)
        )
        for status in ("True", "False"):
            del made.status.conditions[:]
            made.status.conditions.add(type="Ready", status=status)
            made = await client.nodes.update_status(made)
        assert (await waiting).metadata.resource_version == made.metadata.resource_version

    run(data_dir, test)


def test_an_object_of_the_same_name_is_not_the_one_that_was_to_go(data_dir):
    async def test(client):
        first = await client.config_maps.create(entry("gone"))
        await client.config_maps.delete("gone", "default")
        await client.config_maps.create(entry("gone"))
        uid = first.metadata.uid
        await client.config_maps.wait_until_deleted("gone", "default", uid=uid, timeout_s=30)
        with pytest.raises(TimeoutError, match="configmaps gone: not reached in"):
            await client.config_maps.wait_until_deleted("gone", "default", timeout_s=0.2)

    run(data_dir, test)


def test_what_could_never_come_is_refused_at_once(data_dir):
    async def test(client):
        with pytest.raises(ValueError, match="expected a name and a namespace, got 'late' and ''"):
            await client.config_maps.wait("late", bool, timeout_s=30)
        with pytest.raises(ValueError, match="expected a name and no namespace"):
            await client.nodes.wait("n1", bool, "default", timeout_s=30)
        with pytest.raises(ValueError, match="configmaps: this kind has no conditions"):
            await client.config_maps.wait_for_condition("late", "Ready", "default", timeout_s=30)
        with pytest.raises(ValueError, match="configmaps: this kind has no number of replicas"):
            await client.config_maps.scale("late", 3, "default")

    run(data_dir, test)
