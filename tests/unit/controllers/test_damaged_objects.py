"""One object that makes no sense stops no controller: the others are still planned.

The damaged objects lie in the store as an older version, or a hand in the file, may have
left them: no check has seen them.
"""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.api import kinds
from podraft.api.core.v1 import node_pb2
from podraft.api.kinds import (
    BUILT_IN,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    LEASE,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
)
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.client.clock import Clock
from podraft.server.controllers.core.controller import ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.every import controllers
from podraft.server.controllers.planners.deployments import plan as deployments
from podraft.server.controllers.planners.endpoint_slices import plan as endpoint_slices
from podraft.server.controllers.planners.replica_sets import controller as replica_sets
from support.any_object import SETTINGS, damaged
from support.any_object import objects as any_objects
from support.api_objects import example
from support.controller_world import World

WEB = ObjectKey("shop", "web")
LIKELY = (POD, POD, NODE, REPLICA_SET, DEPLOYMENT, SERVICE, ENDPOINT_SLICE, LEASE, kinds.EVENT)


def healthy_world():
    """A service, a deployment and two ready pods on a node that has a range."""
    world = World()
    world.create(example(kinds.NAMESPACE, "shop"))
    node = node_pb2.Node()
    node.metadata.name, node.spec.pod_cidr = "n0", "10.244.1.0/24"
    node.status.conditions.add(type="Ready", status="True")
    world.create(node)
    world.lease_changes["n0"] = world.now
    for number in range(2):
        pod = example(POD, f"web-{number}", "shop", labels={"app": "web"})
        pod.spec.node_name, pod.status.pod_ip = "n0", f"10.244.1.{number + 2}"
        pod.status.phase = "Running"
        pod.status.conditions.add(type="Ready", status="True")
        world.create(pod)
    world.create(example(SERVICE, "web", "shop"))
    world.create(example(DEPLOYMENT, "web", "shop"))
    return world


def addresses(world):
    return {
        address
        for found in world.list(ENDPOINT_SLICE)
        if found.metadata.labels.get(well_known.SLICE_MANAGER_LABEL) == endpoint_slices.MANAGER
        for endpoint in found.endpoints
        for address in endpoint.addresses
    }


@SETTINGS
@given(data=st.data())
def test_no_damaged_object_stops_a_controller(data):
    world = healthy_world()
    strange = []
    for number in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(LIKELY))
        obj = data.draw(st.composite(damaged)(data.draw(any_objects(kind))))
        metadata = obj.metadata
        metadata.name, metadata.uid = f"bad-{number}", f"bad-uid-{number}"
        metadata.namespace = "shop" if kind.namespaced else ""
        metadata.labels["app"] = "web"
        if kind is POD and data.draw(st.booleans()):
            obj.spec.node_name = "n0"
        if kind.has_status and kind is not kinds.NAMESPACE:
            obj.status.SetInParent()
        world._put((kind.resource, metadata.namespace, metadata.name), obj)
        strange.append(obj)
    for controller in controllers(ControllerOptions(), BUILT_IN):
        keys = {*controller.initial_keys, *_keys(world, controller, strange)}
        for key in sorted(keys):
            controller.plan(world, key, Now.at(world.now))
    for planner in (endpoint_slices, deployments, replica_sets):
        world.commit(planner.plan(world, WEB, Now.at(world.now)))
    assert {"10.244.1.2", "10.244.1.3"} <= addresses(world)
    assert any(
        reference.name == "web"
        for made in world.list(REPLICA_SET)
        for reference in made.metadata.owner_references
    )


def _keys(world, controller, strange):
    for obj in strange:
        trigger = controller.triggers.get(kinds.BUILT_IN.of(obj))
        if trigger is not None:
            for old, new in ((None, obj), (copy.deepcopy(obj), obj), (obj, None)):
                yield from trigger(world, old, new)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "10.244.2.7", "192.168.0.9", "::1", "x"],
)
def test_an_address_that_no_pod_of_the_node_can_have_is_no_endpoint(address):
    world = healthy_world()
    liar = example(POD, "liar", "shop", labels={"app": "web"})
    liar.spec.node_name, liar.status.pod_ip, liar.status.phase = "n0", address, "Running"
    liar.status.conditions.add(type="Ready", status="True")
    world.create(liar)
    world.commit(endpoint_slices.plan(world, WEB, Now.at(world.now)))
    assert addresses(world) == {"10.244.1.2", "10.244.1.3"}


@pytest.mark.parametrize("order", [("a", "z"), ("z", "a")])
def test_an_address_that_was_given_again_belongs_to_the_pod_that_stays(order):
    world = healthy_world()
    going, staying = order
    for name in sorted(order):
        pod = example(POD, name, "shop", labels={"app": "web"})
        pod.spec.node_name, pod.status.pod_ip = "n0", "10.244.1.9"
        world.create(pod)
    world.delete(world.get(POD, going, "shop"))
    world.commit(endpoint_slices.plan(world, WEB, Now.at(world.now)))
    [endpoint] = [
        endpoint
        for found in world.list(ENDPOINT_SLICE)
        for endpoint in found.endpoints
        if endpoint.addresses[0] == "10.244.1.9"
    ]
    assert endpoint.target_ref.name == staying


def test_a_heartbeat_from_the_future_makes_no_node_live_for_ever():
    world = healthy_world()
    node = world.get(NODE, "n0")
    del world.lease_changes["n0"]

    def boast(changed):
        changed.status.conditions[0].last_heartbeat_time.seconds = 2**40

    world.change(node, boast)
    [planner] = [one for one in controllers(ControllerOptions(), BUILT_IN) if one.name == "nodes"]
    clock = Clock(lambda: world.now, lambda: world.now)
    assert not planner.plan(world, ObjectKey("", "n0"), clock.now()).writes
    world.now += 21
    world.lease_changes["n1"] = world.now
    world.commit(planner.plan(world, ObjectKey("", "n0"), clock.now()))
    assert conditions.find(world.get(NODE, "n0").status.conditions, "Ready").status == "Unknown"


def test_an_event_from_the_future_does_not_stay_for_ever():
    world = healthy_world()
    event = example(kinds.EVENT, "tomorrow", "shop")
    event.event_time.seconds = event.series.last_observed_time.seconds = 2**40
    world.create(event)
    [planner] = [
        one for one in controllers(ControllerOptions(), BUILT_IN) if one.name == "expired-events"
    ]
    world.now += ControllerOptions().event_ttl_s + 1
    world.commit(planner.plan(world, planner.initial_keys[0], Now.at(world.now)))
    assert not world.list(kinds.EVENT)
