"""Tolerations one by one, and plans that would be too large."""

import pytest

from podraft.api.core.v1 import config_pb2, node_pb2, pod_pb2, service_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import EVENT, NODE, POD, SERVICE
from podraft.api.moments import Now
from podraft.api.objects import well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import key_of
from podraft.api.objects.pods import ready_condition
from podraft.server.controllers.core.plan import ObjectKey, Plan
from podraft.server.controllers.planners.expired_events import plan as expired_events
from podraft.server.controllers.planners.garbage import plan as garbage
from podraft.server.controllers.planners.nodes import plan as nodes
from support.controller_world import World

OPTIONS = nodes.Options(grace_s=20, not_ready_toleration_s=20)


def tainted_world(*keys):
    world = World()
    node = node_pb2.Node()
    node.metadata.name = "n0"
    node.status.conditions.add(type="Ready", status="True")
    for key in keys:
        taint = node.spec.taints.add(key=key, effect="NoExecute")
        taint.time_added.seconds = int(world.now)
    node.spec.taints.add(key="soft", effect="PreferNoSchedule")
    world.create(node)
    world.lease_changes["n0"] = world.now
    return world


def add_pod(world, name, **tolerated):
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "shop"
    pod.spec.node_name = "n0"
    pod.status.conditions.add(type="Ready", status="True")
    for key, seconds in tolerated.items():
        toleration = pod.spec.tolerations.add(key=key, operator="Exists")
        if seconds is not None:
            toleration.toleration_seconds = seconds
    world.create(pod)


def plan_node(world):
    return nodes.plan(world, ObjectKey("", "n0"), Now.at(world.now), OPTIONS)


def deleted(plan):
    return [write.delete.request.name for write in plan.writes if write.HasField("delete")]


def test_a_pod_stays_as_long_as_it_tolerates_every_taint():
    world = tainted_world("a", "b")
    add_pod(world, "for-ever", a=None, b=None)
    add_pod(world, "both", a=7, b=5)
    add_pod(world, "other-order", a=4, b=9)
    add_pod(world, "one-only", a=50)
    plan = plan_node(world)
    assert (deleted(plan), plan.requeue_after_s) == (["one-only"], 4)
    world.commit(plan)
    world.now += 4
    plan = plan_node(world)
    assert (deleted(plan), plan.requeue_after_s) == (["other-order"], 1)
    world.commit(plan)
    world.now += 1
    assert deleted(plan_node(world)) == ["both"]


def test_without_taints_that_evict_everybody_stays():
    world = tainted_world()
    add_pod(world, "a")
    assert not plan_node(world).writes


def test_of_a_node_without_pods_nothing_is_asked():
    assert nodes.plan(World(), ObjectKey("", "n0"), Now.at(0), OPTIONS) == Plan()


def test_the_pods_of_a_node_that_is_lost_or_gone_end_at_most_so_many_at_once(monkeypatch):
    monkeypatch.setattr(nodes, "WRITES_MAX", 3)
    world = tainted_world("a")
    for number in range(7):
        add_pod(world, f"p{number}")
    plan = plan_node(world)
    assert (len(plan.writes), len(plan.events), plan.requeue_after_s) == (3, 3, 0.05)
    world.delete(world.get(NODE, "n0"))
    rounds = []
    while (plan := plan_node(world)).writes:
        rounds.append(len(plan.writes))
        world.commit(plan)
    assert rounds == [3, 3, 1]
    assert not world.list(POD)


def test_expired_events_go_at_most_so_many_at_once_and_the_rest_soon(monkeypatch):
    monkeypatch.setattr(expired_events, "WRITES_MAX", 3)
    world = World()
    for number in range(7):
        event = event_pb2.Event()
        event.metadata.name, event.metadata.namespace = f"e{number}", "shop"
        event.event_time.seconds = int(world.now)
        world.create(event)
    world.now += 100
    found = []
    for _ in range(4):
        plan = expired_events.plan(world, expired_events.KEY, Now.at(world.now), 50)
        found.append((len(plan.writes), plan.requeue_after_s))
        world.commit(plan)
    assert found == [(3, 0.1), (3, 0.1), (1, None), (0, None)]
    assert not world.list(EVENT)


def config_map(world, name, owner):
    one = config_pb2.ConfigMap()
    one.metadata.name, one.metadata.namespace = name, "shop"
    one.metadata.owner_references.add(
        api_version="v1", kind="Service", name=owner.metadata.name, uid=owner.metadata.uid
    )
    return world.create(one)


@pytest.mark.parametrize(
    "finalizer", ["", well_known.FOREGROUND_FINALIZER, well_known.ORPHAN_FINALIZER]
)
def test_the_garbage_of_one_owner_goes_at_most_so_much_at_once(monkeypatch, finalizer):
    monkeypatch.setattr(garbage, "WRITES_MAX", 3)
    world = World()
    service = service_pb2.Service()
    service.metadata.name, service.metadata.namespace = "web", "shop"
    if finalizer:
        service.metadata.finalizers.append(finalizer)
    owner = world.create(service)
    for number in range(8):
        config_map(world, f"c{number}", owner)
    world.delete(world.get(SERVICE, "web", "shop"))
    key = key_of(SERVICE, owner)
    sizes = []
    while (plan := garbage.plan(world, key, Now.at(world.now))).writes:
        sizes.append(len(plan.writes))
        world.commit(plan)
        assert len(sizes) < 10
    # Whoever waits for its dependents may drop its own finalizer besides.
    assert max(sizes) <= 3 + bool(finalizer)
    assert sum(sizes) == 8 + bool(finalizer)
    assert world.get(SERVICE, "web", "shop") is None


def test_a_plan_that_left_something_out_says_so(monkeypatch):
    monkeypatch.setattr(garbage, "WRITES_MAX", 3)
    world = World()
    service = service_pb2.Service()
    service.metadata.name, service.metadata.namespace = "web", "shop"
    owner = world.create(service)
    for number in range(4):
        config_map(world, f"c{number}", owner)
    world.delete(owner)
    plans = []
    for _ in range(2):
        plans.append(garbage.plan(world, key_of(SERVICE, owner), Now.at(world.now)))
        world.commit(plans[-1])
    assert [(len(plan.writes), plan.requeue_after_s) for plan in plans] == [(3, 0.0), (1, None)]
    assert not is_deleting(owner.metadata)


def test_a_pod_of_an_unreachable_node_is_unready_from_when_that_was_seen():
    world = tainted_world()
    other = node_pb2.Node()
    other.metadata.name = "n1"
    world.create(other)
    add_pod(world, "patient", **{well_known.UNREACHABLE_TAINT: 60})
    world.now += 30
    world.lease_changes["n1"] = world.now
    while (plan := plan_node(world)).writes:
        world.commit(plan)
    condition = ready_condition(world.get(POD, "patient", "shop"))
    assert (condition.status, condition.reason) == ("False", "NodeNotReady")
    assert condition.last_transition_time.seconds == int(world.now)
