"""The controllers while the wall's clock steps by hours: they wait as long as they were told."""

from __future__ import annotations

import pytest

from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import EVENT, NODE, POD
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import ready_condition
from podraft.client.clock import Clock
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.expired_events import plan as expired_events
from podraft.server.controllers.planners.nodes import plan as nodes
from support.controller_world import World

HOUR = 3600
STEPS = pytest.mark.parametrize("step_s", [-HOUR, 0, 2 * HOUR])
OPTIONS = nodes.Options(grace_s=20, not_ready_toleration_s=20)


class Times:
    """A world's clock, which can be set, and the one that only passes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.passed = 100.0
        self.clock = Clock(lambda: world.now, lambda: self.passed)

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        self.world.now += seconds

    def step(self, seconds: float) -> None:
        self.clock.now()  # The controllers look at something all the time.
        self.world.now += seconds


def node_world() -> tuple[World, Times]:
    world = World()
    times = Times(world)
    for name in ("n0", "n1"):
        node = node_pb2.Node()
        node.metadata.name = name
        node.status.conditions.add(type="Ready", status="True")
        world.create(node)
        world.lease_changes[name] = times.passed
    return world, times


def settle(world: World, times: Times) -> float | None:
    for _ in range(10):
        plan = nodes.plan(world, ObjectKey("", "n0"), times.clock.now(), OPTIONS)
        if not plan.writes:
            return plan.requeue_after_s
        world.commit(plan)
    raise AssertionError("the node's plan does not converge")


def ready_pod() -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = "a", "shop"
    pod.spec.node_name = "n0"
    pod.status.phase = "Running"
    pod.status.conditions.add(type="Ready", status="True")
    return pod


def ready(world: World) -> str:
    return str(conditions.find(world.get(NODE, "n0").status.conditions, "Ready").status)


@STEPS
def test_a_lease_counts_from_when_its_renewal_was_seen(step_s: int) -> None:
    world, times = node_world()
    times.wait(15)
    world.lease_changes["n1"] = times.passed
    times.step(step_s)
    assert settle(world, times) == pytest.approx(5)
    assert ready(world) == "True"
    times.wait(5.1)
    settle(world, times)
    assert ready(world) == "Unknown", "it is missed when its time is over"


@STEPS
def test_what_tolerates_a_taint_stays_as_long_as_it_may(step_s: int) -> None:
    world, times = node_world()
    world.create(ready_pod())
    node = world.get(NODE, "n0")
    world.change(node, lambda n: setattr(n.status.conditions[0], "status", "False"))
    assert 19 <= settle(world, times) <= 20
    times.wait(10)
    times.step(step_s)
    world.lease_changes["n0"] = world.lease_changes["n1"] = times.passed
    assert 9 <= settle(world, times) <= 10
    times.wait(10)
    settle(world, times)
    assert is_deleting(world.get(POD, "a", "shop").metadata)


@STEPS
def test_a_ready_pod_is_available_after_its_time(step_s: int) -> None:
    world, times = node_world()
    pod = world.create(ready_pod())

    def since(changed) -> None:
        found = ready_condition(changed)
        found.last_transition_time.CopyFrom(objects.time_of(times.clock.now()))

    world.change(pod, since)
    times.wait(4)
    times.step(step_s)
    pod = world.get(POD, "a", "shop")
    assert objects.available_in_s(pod, 10, times.clock.now()) == pytest.approx(6, abs=1)
    times.wait(6)
    assert objects.available_in_s(pod, 10, times.clock.now()) == 0


def test_a_pod_whose_node_lives_an_hour_ahead_is_available_after_its_time() -> None:
    world, times = node_world()
    pod = world.create(ready_pod())
    ahead = int(world.now) + HOUR

    def since(changed) -> None:
        ready_condition(changed).last_transition_time.seconds = ahead

    world.change(pod, since)
    pod = world.get(POD, "a", "shop")
    assert objects.available_in_s(pod, 10, times.clock.now()) == 10
    times.wait(10)
    assert objects.available_in_s(pod, 10, times.clock.now()) == 0


@STEPS
def test_events_are_told_for_their_time(step_s: int) -> None:
    world, times = node_world()
    event = event_pb2.Event()
    event.metadata.name, event.metadata.namespace = "e", "shop"
    event.event_time.seconds = int(world.now)
    world.create(event)
    times.wait(100)
    times.step(step_s)

    def left() -> float | None:
        plan = expired_events.plan(world, expired_events.KEY, times.clock.now(), 600)
        world.commit(plan)
        return plan.requeue_after_s

    assert left() == pytest.approx(500, abs=1)
    times.wait(501)
    left()
    assert not world.list(EVENT)
