"""Endpoints, namespaces, nodes and housekeeping: what each planner decides."""

import ipaddress
import random

import pytest

from podraft.api.core.v1 import config_pb2, namespace_pb2, node_pb2, pod_pb2, service_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import (
    CONFIG_MAP,
    ENDPOINT_SLICE,
    EVENT,
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
)
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_ready
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.endpoint_slices import plan as endpoint_slices
from podraft.server.controllers.planners.expired_events import plan as expired_events
from podraft.server.controllers.planners.finished_pods import plan as finished_pods
from podraft.server.controllers.planners.namespaces import plan as namespaces
from podraft.server.controllers.planners.nodes import plan as nodes
from podraft.server.controllers.planners.pod_ranges import plan as pod_ranges
from support.controller_world import World

# ---- EndpointSlices ----

WEB = ObjectKey("shop", "web")


def new_pod(name, *, labels=(), node="", ip="", ready=None, port=8080):
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "shop"
    pod.metadata.labels.update(dict(labels) or {"app": "web"})
    if node:
        pod.spec.node_name = node
    pod.spec.containers.add(name="main").ports.add(name="http", container_port=port)
    if ip:
        pod.status.pod_ip = ip
    if ready is not None:
        pod.status.conditions.add(type="Ready", status="True" if ready else "False")
    return pod


def new_service(target="http"):
    service = service_pb2.Service()
    service.metadata.name, service.metadata.namespace = "web", "shop"
    service.spec.selector["app"] = "web"
    port = service.spec.ports.add(name="http", port=80)
    if isinstance(target, str):
        port.target_port.type, port.target_port.str_val = 1, target
    else:
        port.target_port.int_val = target
    return service


def plan_endpoints(world):
    plan = endpoint_slices.plan(world, WEB, Now.at(world.now))
    world.commit(plan)
    assert not endpoint_slices.plan(world, WEB, Now.at(world.now)).writes, "one plan is enough"
    return plan.writes


def addresses(world):
    return sorted(
        (endpoint.addresses[0], port.port)
        for one in world.list(ENDPOINT_SLICE)
        for endpoint in one.endpoints
        for port in one.ports
    )


def test_a_service_without_pods_has_one_empty_slice():
    world = World()
    world.create(new_service())
    plan_endpoints(world)
    [only] = world.list(ENDPOINT_SLICE)
    assert not only.endpoints
    world.create(new_pod("a", ip="10.0.0.1", ready=True))
    plan_endpoints(world)
    assert addresses(world) == [("10.0.0.1", 8080)]


def test_conditions_follow_readiness_and_termination():
    world = World()
    world.create(new_service())
    world.create(new_pod("ready", ip="10.0.0.1", ready=True, node="n"))
    world.create(new_pod("unready", ip="10.0.0.2", ready=False, node="n"))
    ending = world.create(new_pod("ending", ip="10.0.0.3", ready=True, node="n"))
    world.create(new_pod("no-address", ready=True))
    world.create(new_pod("other", labels={"app": "db"}, ip="10.0.0.5", ready=True))
    world.delete(ending)
    plan_endpoints(world)
    [only] = world.list(ENDPOINT_SLICE)
    found = {
        e.addresses[0]: (e.conditions.ready, e.conditions.serving, e.conditions.terminating)
        for e in only.endpoints
    }
    assert found == {
        "10.0.0.1": (True, True, False),
        "10.0.0.2": (False, False, False),
        "10.0.0.3": (False, True, True),
    }
    assert {e.target_ref.name for e in only.endpoints} == {"ready", "unready", "ending"}
    assert {e.node_name for e in only.endpoints} == {"n"}


def test_unready_addresses_are_published_on_demand():
    world = World()
    service = new_service()
    service.spec.publish_not_ready_addresses = True
    world.create(service)
    world.create(new_pod("a", ip="10.0.0.1", ready=False))
    plan_endpoints(world)
    [only] = world.list(ENDPOINT_SLICE)
    assert only.endpoints[0].conditions.ready
    assert not only.endpoints[0].conditions.serving


def test_pods_whose_named_port_differs_are_in_slices_of_their_own():
    world = World()
    world.create(new_service())
    world.create(new_pod("a", ip="10.0.0.1", ready=True, port=8080))
    world.create(new_pod("b", ip="10.0.0.2", ready=True, port=9090))
    plan_endpoints(world)
    assert addresses(world) == [("10.0.0.1", 8080), ("10.0.0.2", 9090)]


@pytest.mark.parametrize("seed", range(5))
def test_slices_are_bounded_and_a_single_change_writes_a_single_slice(seed):
    world, chance = World(), random.Random(seed)
    world.create(new_service(8080))
    pods = {}
    for number in range(350):
        pod = new_pod(f"p{number}", ip=f"10.0.{number // 250}.{number % 250}", ready=True)
        pods[number] = world.create(pod)
    plan_endpoints(world)
    for _ in range(30):
        number = chance.choice(sorted(pods))
        if chance.random() < 0.5:
            world.delete(pods.pop(number))
        else:
            current = world.get(POD, f"p{number}", "shop")
            world.set_ready(current, not is_ready(current))
        assert len(plan_endpoints(world)) == 1
        slices = world.list(ENDPOINT_SLICE)
        assert all(len(one.endpoints) <= endpoint_slices.SLICE_MAX for one in slices)
        assert len(addresses(world)) == len(set(addresses(world))) == len(pods)


def test_a_slice_says_whose_it_is_also_after_the_service_has_changed():
    world = World()
    service = new_service()
    service.spec.cluster_ip = "None"
    world.create(service)
    pod = new_pod("a", node="n0", ip="10.0.0.1", ready=True)
    pod.spec.hostname = "first"
    world.create(pod)
    world.create(new_pod("b", ip="10.0.0.2", ready=True))
    plan_endpoints(world)
    [made] = world.list(ENDPOINT_SLICE)
    assert well_known.HEADLESS_LABEL in made.metadata.labels
    found = [(each.HasField("hostname"), each.HasField("node_name")) for each in made.endpoints]
    assert sorted(found) == [(False, False), (True, True)]
    world.change(made, lambda s: s.metadata.owner_references.pop())
    stored = world.get(SERVICE, "web", "shop")
    world.change(stored, lambda s: setattr(s.spec, "cluster_ip", "10.1.0.1"))
    plan_endpoints(world)
    [made] = world.list(ENDPOINT_SLICE)
    assert well_known.HEADLESS_LABEL not in made.metadata.labels
    assert [owner.name for owner in made.metadata.owner_references] == ["web"]


def test_a_port_that_a_pod_lacks_is_left_out_of_its_ports():
    world = World()
    service = new_service()
    extra = service.spec.ports.add(name="metrics", port=90)
    extra.target_port.type, extra.target_port.str_val = 1, "metrics"
    world.create(service)
    world.create(new_pod("a", ip="10.0.0.1", ready=True))
    plan_endpoints(world)
    assert [
        [(port.name, port.port) for port in one.ports]
        for one in world.list(ENDPOINT_SLICE)
        if one.endpoints
    ] == [[("http", 8080)]]


def test_a_service_without_selector_and_foreign_slices_are_left_alone():
    world = World()
    service = new_service()
    service.spec.ClearField("selector")
    world.create(service)
    assert not endpoint_slices.plan(world, WEB, Now.at(world.now)).writes


# ---- Namespaces ----


def test_a_namespace_ends_when_its_last_object_is_gone():
    world = World()
    namespace = namespace_pb2.Namespace()
    namespace.metadata.name = "shop"
    namespace.spec.finalizers.append("kubernetes")
    created = world.create(namespace)
    pod = world.create(new_pod("a", node="n"))
    entry = config_pb2.ConfigMap()
    entry.metadata.name, entry.metadata.namespace = "settings", "shop"
    world.create(entry)
    key = ObjectKey("", "shop")
    assert not namespaces.plan(world, key, Now.at(world.now)).writes
    world.change(created, lambda n: setattr(n.metadata.deletion_timestamp, "seconds", 1))
    for _ in range(3):
        plan = namespaces.plan(world, key, Now.at(world.now))
        if plan.writes:
            world.commit(plan)
    assert not world.list(CONFIG_MAP)
    assert is_deleting(world.get(POD, "a", "shop").metadata), "with the grace it has"
    remaining = world.get(NAMESPACE, "shop").status.conditions[0]
    assert "pods" in remaining.message
    world.delete(pod, grace_s=0)
    last = namespaces.plan(world, key, Now.at(world.now))
    assert any(claim.kind is POD for claim in last.absent), "emptiness is checked first"
    world.commit(last)
    assert world.get(NAMESPACE, "shop") is None


def ending_namespace(world, *entries):
    """A namespace that is being deleted, with config maps: (name, finalizers)."""
    namespace = namespace_pb2.Namespace()
    namespace.metadata.name = "shop"
    namespace.spec.finalizers.append("kubernetes")
    created = world.create(namespace)
    for name, finalizers in entries:
        entry = config_pb2.ConfigMap()
        entry.metadata.name, entry.metadata.namespace = name, "shop"
        entry.metadata.finalizers.extend(finalizers)
        world.create(entry)
    world.change(created, lambda n: setattr(n.metadata.deletion_timestamp, "seconds", 1))
    for _ in range(3):
        plan = namespaces.plan(world, ObjectKey("", "shop"), Now.at(world.now))
        if plan.writes:
            world.commit(plan)
    conditions = world.get(NAMESPACE, "shop").status.conditions
    return {c.type: c.message for c in conditions if c.status == "True"}


def test_the_objects_and_finalizers_that_hold_a_namespace_are_named():
    world = World()
    told = ending_namespace(
        world,
        ("stuck", ["example.com/stuck"]),
        ("free", []),
        ("two", ["a.b/c", "example.com/stuck"]),
    )
    assert told == {
        "NamespaceContentRemaining": "Still inside: configmaps: 2 (stuck, two)",
        "NamespaceFinalizersRemaining": "Held by finalizers: a.b/c holds 1 (configmaps/two); "
        "example.com/stuck holds 2 (configmaps/stuck, configmaps/two)",
    }
    key = ObjectKey("", "shop")
    for name in ("stuck", "two"):
        world.change(
            world.get(CONFIG_MAP, name, "shop"), lambda c: c.metadata.ClearField("finalizers")
        )
    world.commit(namespaces.plan(world, key, Now.at(world.now)))
    assert world.get(NAMESPACE, "shop") is None


@pytest.mark.parametrize("count", [6, 11, 300])
def test_what_a_condition_tells_is_bounded_and_seldom_changes(count):
    world = World()
    entries = [(f"{'n' * 200}-{i}", [f"example.com/{'f' * 60}-{i}"]) for i in range(count)]
    told = ending_namespace(world, *entries)
    assert all(len(message) <= 1024 for message in told.values())
    size = max(size for size in (5, 10, 100) if count > size)
    assert told["NamespaceContentRemaining"] == f"Still inside: configmaps: over {size}"
    last = world.get(CONFIG_MAP, entries[-1][0], "shop")
    world.change(last, lambda c: c.metadata.ClearField("finalizers"))
    if count - 1 > size:
        assert not namespaces.plan(world, ObjectKey("", "shop"), Now.at(world.now)).writes


# ---- Nodes ----

OPTIONS = nodes.Options(grace_s=20, not_ready_toleration_s=20)


def node_world(count=2):
    world = World()
    for number in range(count):
        node = node_pb2.Node()
        node.metadata.name = f"n{number}"
        node.status.conditions.add(type="Ready", status="True")
        world.create(node)
        world.lease_changes[f"n{number}"] = world.now
    return world


def settle(world, name="n0"):
    """Plan until nothing is left to do; return when to look again."""
    for _ in range(10):
        plan = nodes.plan(world, ObjectKey("", name), Now.at(world.now), OPTIONS)
        if not plan.writes:
            return plan.requeue_after_s
        world.commit(plan)
    raise AssertionError("the node's plan does not converge")


def node_pod(world, name, tolerations=()):
    pod = new_pod(name, node="n0", ip="10.0.0.1", ready=True)
    for key, seconds in tolerations:
        pod.spec.tolerations.add(
            key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds
        )
    return world.create(pod)


def is_leaving(world, name):
    return is_deleting(world.get(POD, name, "shop").metadata)


def test_a_silent_node_is_unreachable_after_its_grace_and_its_pods_leave():
    world = node_world()
    node_pod(world, "a")
    node_pod(world, "patient", [(well_known.UNREACHABLE_TAINT, 60)])
    assert settle(world) == pytest.approx(20)
    world.now += 19
    world.lease_changes["n1"] = world.now
    assert settle(world) == pytest.approx(1)
    assert not is_leaving(world, "a")
    world.now += 2
    again_s = settle(world)
    node = world.get(NODE, "n0")
    assert conditions.find(node.status.conditions, "Ready").status == "Unknown"
    assert [(t.key, t.effect) for t in node.spec.taints] == [
        (well_known.UNREACHABLE_TAINT, "NoExecute")
    ]
    assert is_leaving(world, "a")
    assert not is_leaving(world, "patient")
    assert not is_ready(world.get(POD, "patient", "shop")), "nobody shall call it"
    assert 59 <= again_s <= 60
    world.now += 61
    world.lease_changes["n1"] = world.now
    settle(world)
    assert is_leaving(world, "patient")


def test_a_node_that_returns_loses_its_taints():
    world = node_world()
    world.now += 30
    world.lease_changes["n1"] = world.now
    settle(world)
    world.lease_changes["n0"] = world.now
    node = world.get(NODE, "n0")
    world.change(node, lambda n: setattr(n.status.conditions[0], "status", "True"))
    settle(world)
    assert not world.get(NODE, "n0").spec.taints


def test_when_all_nodes_are_silent_nothing_is_evicted():
    world = node_world()
    node_pod(world, "a")
    world.now += 100
    settle(world)
    assert not is_leaving(world, "a")
    assert not world.get(NODE, "n0").spec.taints


def test_a_node_that_is_not_ready_keeps_its_pods_for_a_while():
    world = node_world()
    node_pod(world, "a")
    world.change(
        world.get(NODE, "n0"), lambda n: setattr(n.status.conditions[0], "status", "False")
    )
    again_s = settle(world)
    assert not is_leaving(world, "a")
    assert 19 <= again_s <= 20
    world.now += 21
    world.lease_changes["n0"] = world.lease_changes["n1"] = world.now
    settle(world)
    assert is_leaving(world, "a")


def test_pods_of_a_node_that_is_gone_are_removed_once_that_is_sure():
    world = node_world()
    node_pod(world, "a")
    world.delete(world.get(NODE, "n0"))
    plan = nodes.plan(world, ObjectKey("", "n0"), Now.at(world.now), OPTIONS)
    assert [(claim.kind, claim.name) for claim in plan.absent] == [(NODE, "n0")]
    world.commit(plan)
    assert world.get(POD, "a", "shop") is None


def test_taints_of_others_are_kept():
    world = node_world()
    world.change(world.get(NODE, "n0"), lambda n: n.spec.taints.add(key="mine", effect="NoExecute"))
    world.now += 30
    world.lease_changes["n1"] = world.now
    settle(world)
    taints = world.get(NODE, "n0").spec.taints
    assert [taint.key for taint in taints] == ["mine", well_known.UNREACHABLE_TAINT]


# ---- Ranges ----


@pytest.mark.parametrize("seed", range(5))
def test_ranges_are_never_shared_and_the_lowest_free_one_is_given(seed):
    world, chance = World(), random.Random(seed)
    options = pod_ranges.Options(ipaddress.IPv4Network("10.0.0.0/20"), 24)
    for number in range(60):
        present = world.list(NODE)
        if present and (chance.random() < 0.4 or len(present) == 16):
            world.delete(chance.choice(present))
            continue
        taken = {node.spec.pod_cidr for node in world.list(NODE)}
        node = node_pb2.Node()
        node.metadata.name = f"n{number}"
        world.create(node)
        world.commit(pod_ranges.plan(world, pod_ranges.KEY, Now.at(world.now), options))
        lowest = next(str(c) for c in options.cluster.subnets(new_prefix=24) if str(c) not in taken)
        assert world.get(NODE, node.metadata.name).spec.pod_cidr == lowest


def test_a_cluster_without_ranges_left_says_so():
    world = World()
    for number in range(3):
        node = node_pb2.Node()
        node.metadata.name = f"n{number}"
        world.create(node)
    options = pod_ranges.Options(ipaddress.IPv4Network("10.0.0.0/23"), 24)
    plan = pod_ranges.plan(world, pod_ranges.KEY, Now.at(world.now), options)
    assert len(plan.writes) == 2
    assert [event.reason for event in plan.events] == ["CIDRNotAvailable"]


# ---- Housekeeping ----


def test_the_oldest_finished_pods_go_first():
    world = World()
    for number in range(5):
        pod = new_pod(f"p{number}")
        pod.status.phase = "Succeeded" if number != 3 else "Running"
        world.create(pod)
        world.now += 10
    world.commit(finished_pods.plan(world, finished_pods.KEY, Now.at(world.now), 2))
    assert sorted(pod.metadata.name for pod in world.list(POD)) == ["p2", "p3", "p4"]


def test_events_are_forgotten_when_they_were_last_observed_too_long_ago():
    world = World()
    for number in range(3):
        event = event_pb2.Event()
        event.metadata.name, event.metadata.namespace = f"e{number}", "shop"
        event.event_time.seconds = int(world.now)
        world.create(event)
        world.now += 100
    repeated = world.get(EVENT, "e0", "shop")
    world.change(
        repeated, lambda e: setattr(e.series.last_observed_time, "seconds", int(world.now))
    )
    plan = expired_events.plan(world, expired_events.KEY, Now.at(world.now), 150)
    world.commit(plan)
    assert sorted(event.metadata.name for event in world.list(EVENT)) == ["e0", "e2"]
    assert plan.requeue_after_s == pytest.approx(50)
