"""A node says of its pods and of itself what is not so: nothing of it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.client.calls import writes
from podraft.client.calls.client import Client
from podraft.client.errors import InvalidError
from podraft.server.auth.certificates import KeyPair
from support.api_objects import example
from support.attackers import as_identity

NODE = "liar"
# What a node could want traffic of a Service to reach, beside its own pods.
FORBIDDEN = {
    "another node's pod": "10.244.2.9",
    "the machine of another node": "192.168.7.8",
    "its own machine": "192.168.7.7",
    "a loopback address": "127.0.0.1",
    "the metadata service of a cloud": "169.254.169.254",
    "a group": "224.0.0.251",
    "everybody": "255.255.255.255",
    "nobody": "0.0.0.0",
    "a Service": "10.96.0.1",
    "an address with a leading zero": "10.244.1.010",
    "an IPv6 address": "::ffff:10.244.1.9",
    "a name": "metadata.internal",
    "an escape sequence": "\x1b[2J",
}


def pod_saying(address: str, *addresses: str) -> pod_pb2.Pod:
    pod: pod_pb2.Pod = example(kinds.POD, "web")
    pod.status.phase, pod.status.pod_ip = "Running", address
    for one in addresses:
        pod.status.pod_ips.add(ip=one)
    return pod


def node_saying(change: Callable[[node_pb2.NodeStatus], Any]) -> node_pb2.Node:
    node = node_pb2.Node()
    node.metadata.name = NODE
    change(node.status)
    return node


def big_condition(status: Any) -> None:
    status.conditions.add(type="Ready", status="True", message="x" * 100_000)


def many_conditions(status: Any) -> None:
    for number in range(5000):
        status.conditions.add(type=f"C{number}", status="True")


def many_resources(status: Any) -> None:
    for number in range(500):
        status.capacity[f"example.com/r{number}"].string = "1"


LIES = {
    "a negative amount": lambda status: setattr(status.capacity["cpu"], "string", "-1"),
    "a huge amount": lambda status: setattr(status.capacity["cpu"], "string", "9e99"),
    "a long text": big_condition,
    "many conditions": many_conditions,
    "many resources": many_resources,
    "an address that is none": lambda status: status.addresses.add(
        type="InternalIP", address="here"
    ),
    "a moment that is none": lambda status: setattr(
        status.conditions.add(type="Ready", status="True").last_heartbeat_time, "seconds", 2**60
    ),
}  # fmt: skip


def test_no_address_but_its_own_and_no_status_that_makes_no_sense_is_taken_from_a_node(
    server: ServerProcess, joined: Callable[[str], KeyPair]
) -> None:
    pair = joined(NODE)

    async def scenario(admin: Client, node: Client) -> None:
        mine = node_saying(
            lambda status: status.addresses.add(type="InternalIP", address="192.168.7.7")
        )
        await node.nodes.create(mine)
        pod: Any = example(kinds.POD, "web")
        pod.spec.node_name = NODE
        await admin.pods.create(pod)
        with pytest.raises(InvalidError, match="no range"):
            await node.pods.update_status(pod_saying("10.244.1.9"))
        await admin.nodes.patch(NODE, {"spec": {"podCIDR": "10.244.1.0/24"}})
        before = await admin.pods.get("web", "default")
        for what, address in FORBIDDEN.items():
            for said in (pod_saying(address), pod_saying("10.244.1.9", "10.244.1.9", address)):
                for send in (
                    node.pods.update_status,
                    lambda said: node.commit([writes.update_status(said)]),
                ):
                    with pytest.raises(InvalidError) as refused:
                        await send(said)
                    assert "status.podIP" in str(refused.value.violations[0].field), what
        for what, change in LIES.items():
            with pytest.raises(InvalidError) as refused:
                await node.nodes.update_status(node_saying(change))
            assert all("status." in v.field for v in refused.value.violations), what
        assert await admin.pods.get("web", "default") == before
        stored = await node.pods.update_status(pod_saying("10.244.1.9", "10.244.1.9"))
        assert stored.status.pod_ip == "10.244.1.9"

    async def main() -> None:
        config = server.config()
        async with Client(config) as admin, Client(as_identity(config, pair)) as node:
            await scenario(admin, node)

    asyncio.run(main())
