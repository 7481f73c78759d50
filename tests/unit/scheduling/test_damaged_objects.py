"""A node or pod in the store that makes no sense keeps no other pod from its node."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from podraft.api import codec, kinds
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.kinds import AnyKind
from podraft.api.quantities import InvalidQuantityError
from podraft.server.scheduling.core.demand import Profiles, controller_key, demand_of
from podraft.server.scheduling.core.schedule import Scheduler
from podraft.server.scheduling.core.table import NodeTable
from support.any_object import SETTINGS, damaged, objects
from support.api_objects import example


def healthy_node() -> Node:
    node: Node = example(kinds.NODE, "healthy")
    for resource, amount in (("cpu", "4"), ("memory", "8Gi"), ("pods", "110")):
        node.status.allocatable[resource].string = amount
    node.status.conditions.add(type="Ready", status="True")
    node.metadata.labels["kubernetes.io/hostname"] = "healthy"
    return node


def wishing() -> Pod:
    """A pod that only the healthy node can take."""
    body = codec.to_json(example(kinds.POD, "web"))
    body["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "healthy"}
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1", "memory": "1Gi"}}
    pod: Pod = codec.parse(kinds.POD.message, body)
    return pod


@SETTINGS
@given(data=st.data())
def test_a_healthy_pod_finds_the_healthy_node_among_damaged_ones(data: st.DataObject) -> None:
    table, profiles = NodeTable(rows=2), Profiles()
    scheduler = Scheduler(table)
    table.set_node(healthy_node())
    for number in range(data.draw(st.integers(1, 3))):
        kind: AnyKind = data.draw(st.sampled_from([kinds.NODE, kinds.POD]))
        strange = data.draw(st.composite(damaged)(data.draw(objects(kind))))
        strange.metadata.name = strange.metadata.uid = f"strange-{number}"
        # What the scheduler's shell passes over, with a warning.
        with contextlib.suppress(InvalidQuantityError):
            if isinstance(strange, Node):
                table.set_node(strange)
            else:
                demand, owner = demand_of(strange.spec), controller_key(strange)
                table.place(
                    strange.metadata.uid,
                    data.draw(st.sampled_from(["x", "strange-0"])),
                    demand,
                    owner,
                )
                scheduler.schedule([profiles.pending(strange)])
    [decision] = scheduler.schedule([profiles.pending(wishing())])
    assert decision.node == "healthy"
