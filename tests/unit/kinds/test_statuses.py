"""Statuses: what a machine may say of itself and its pods, and what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from podraft.server.kinds.core.pod.addresses import PLACE, is_usable
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.kinds.report import Report
from support.api_objects import example
from unit.kinds.test_update import NOW, stored

SERVICES = "10.96.0.0/16"
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
CONTAINER = {
    "name": "app",
    "image": "nginx:1.27",
    "restartCount": 3,
    "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}},
    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
}
POD_STATUS = {
    "phase": "Running",
    "conditions": [READY],
    "podIP": "10.244.1.7",
    "podIPs": [{"ip": "10.244.1.7"}],
    "hostIP": "192.168.0.5",
    "hostIPs": [{"ip": "192.168.0.5"}],
    "startTime": "2026-01-02T03:04:05Z",
    "containerStatuses": [CONTAINER],
}
NODE_STATUS = {
    "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110"},
    "conditions": [READY],
    "addresses": [
        {"type": "InternalIP", "address": "192.168.0.5"},
        {"type": "Hostname", "address": "n0"},
    ],
}
STATUSES: dict[str, dict[str, Any]] = {
    "Pod": POD_STATUS,
    "Node": NODE_STATUS,
    "Namespace": {"phase": "Active", "conditions": [READY]},
    "ReplicaSet": {"replicas": 2, "conditions": [READY]},
    "Deployment": {"replicas": 2, "conditions": [READY]},
}


def say(kind: AnyKind, status: dict[str, Any]) -> Any:
    before = stored(kind)
    proposed = codec.from_json(codec.to_json(before) | {"status": status})
    return rooms.prepare_update(kind, before, proposed, subresource="status", known=kinds.BUILT_IN)


def faults(kind: AnyKind, status: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidObjectError) as caught:
        say(kind, status)
    return [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize("name", STATUSES)
def test_what_components_say_passes_and_is_stored(name: str) -> None:
    kind = next(kind for kind in kinds.BUILT_IN if kind.name == name)
    updated = codec.to_json(say(kind, STATUSES[name]))["status"]
    assert updated == updated | STATUSES[name]


def conditions(count: int) -> list[dict[str, Any]]:
    return [READY | {"type": f"C{number}"} for number in range(count)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"phase": "Dancing"}, "phase"),
        ({"qosClass": "Best"}, "qosClass"),
        ({"reason": "x" * 2000}, "reason"),
        ({"message": "x" * 40_000}, "message"),
        ({"conditions": [READY, READY]}, "conditions[1].type"),
        ({"conditions": [READY | {"type": ""}]}, "conditions[0].type"),
        ({"conditions": [READY | {"type": "a b"}]}, "conditions[0].type"),
        ({"conditions": [READY | {"type": "T" * 100_000}]}, "conditions[0].type"),
        ({"conditions": [READY | {"status": "Maybe"}]}, "conditions[0].status"),
        ({"conditions": [READY | {"message": "m" * 40_000}]}, "conditions[0].message"),
        ({"conditions": conditions(65)}, "conditions"),
        ({"containerStatuses": [CONTAINER | {"name": "other"}]}, "containerStatuses[0].name"),
        ({"containerStatuses": [CONTAINER, CONTAINER]}, "containerStatuses[1].name"),
        ({"initContainerStatuses": [CONTAINER]}, "initContainerStatuses[0].name"),
        (
            {"containerStatuses": [CONTAINER | {"restartCount": -1}]},
            "containerStatuses[0].restartCount",
        ),
        (
            {"containerStatuses": [CONTAINER | {"imageID": "i" * 5000}]},
            "containerStatuses[0].imageID",
        ),
        (
            {"containerStatuses": [CONTAINER | {"state": {"waiting": {"message": "m" * 40_000}}}]},
            "containerStatuses[0].state.waiting.message",
        ),
        (
            {"containerStatuses": [CONTAINER | {"state": {"waiting": {"reason": "a"}, "running": {
                "startedAt": "2026-01-02T03:04:05Z"}}}]},
            "containerStatuses[0].state",
        ),
        ({"podIP": "10.244.1.07", "podIPs": []}, "podIP"),
        ({"podIP": "fe80::1", "podIPs": []}, "podIP"),
        ({"podIP": "web.example.com", "podIPs": []}, "podIP"),
        ({"podIP": "127.0.0.1", "podIPs": []}, "podIP"),
        ({"podIP": "127.8.9.1", "podIPs": []}, "podIP"),
        ({"podIP": "169.254.169.254", "podIPs": []}, "podIP"),
        ({"podIP": "224.0.0.1", "podIPs": []}, "podIP"),
        ({"podIP": "255.255.255.255", "podIPs": []}, "podIP"),
        ({"podIP": "0.0.0.0", "podIPs": []}, "podIP"),
        ({"podIP": "0.1.2.3", "podIPs": []}, "podIP"),
        ({"podIPs": [{"ip": "10.244.1.8"}]}, "podIPs"),
        ({"podIPs": [{"ip": "10.244.1.7"}, {"ip": "10.244.1.7"}]}, "podIPs"),
        ({"podIPs": [{"ip": "10.244.1.7"}, {"ip": "127.0.0.1"}]}, "podIPs"),
        ({"hostIP": "here", "hostIPs": []}, "hostIP"),
    ],
    ids=str,
)  # fmt: skip
def test_a_pods_status_is_checked_in_type_range_and_size(
    change: dict[str, Any], field: str
) -> None:
    assert faults(kinds.POD, POD_STATUS | change) == [f"status.{field}"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"capacity": {"cpu": "-1"}}, "capacity[cpu]"),
        ({"allocatable": {"memory": "9223372036854775808"}}, "allocatable[memory]"),
        ({"capacity": {f"example.com/{n}": "1" for n in range(65)}}, "capacity"),
        ({"conditions": [READY, READY]}, "conditions[1].type"),
        ({"addresses": [{"type": "Pigeon", "address": "a"}]}, "addresses[0].type"),
        ({"addresses": [{"type": "InternalIP", "address": "1.2.3"}]}, "addresses[0].address"),
        ({"addresses": [{"type": "Hostname", "address": "a b"}]}, "addresses[0].address"),
        ({"addresses": [{"type": "Hostname", "address": "a"}] * 33}, "addresses"),
        ({"daemonEndpoints": {"kubeletEndpoint": {"Port": 70_000}}},
         "daemonEndpoints.kubeletEndpoint.Port"),
        ({"nodeInfo": {"osImage": "x" * 5000}}, "nodeInfo.osImage"),
    ],
    ids=str,
)  # fmt: skip
def test_a_nodes_status_is_checked_too(change: dict[str, Any], field: str) -> None:
    assert faults(kinds.NODE, NODE_STATUS | change) == [f"status.{field}"]


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        (kinds.REPLICA_SET, {"readyReplicas": -1}, "readyReplicas"),
        (kinds.DEPLOYMENT, {"collisionCount": -1}, "collisionCount"),
        (kinds.DEPLOYMENT, {"conditions": [READY | {"status": ""}]}, "conditions[0].status"),
        (kinds.NAMESPACE, {"conditions": [READY | {"status": ""}]}, "conditions[0].status"),
    ],
    ids=str,
)
def test_so_are_those_of_other_kinds(kind: AnyKind, change: dict[str, Any], field: str) -> None:
    assert faults(kind, change) == [f"status.{field}"]


@pytest.mark.parametrize(
    ("kind", "path", "value", "field"),
    [
        (kinds.NODE, "status.conditions.0.last_heartbeat_time.seconds", 2**62,
         "status.conditions[0].lastHeartbeatTime"),
        (kinds.NODE, "status.conditions.0.last_transition_time.nanos", -1,
         "status.conditions[0].lastTransitionTime"),
        (kinds.POD, "status.start_time.seconds", -(2**62), "status.startTime"),
        (kinds.POD, "status.container_statuses.0.last_state.terminated.finished_at.seconds",
         2**40, "status.containerStatuses[0].lastState.terminated.finishedAt"),
        (kinds.LEASE, "spec.renew_time.seconds", 2**62, "spec.renewTime"),
        (kinds.LEASE, "spec.holder_identity", "h" * 2000, "spec.holderIdentity"),
        (kinds.EVENT, "event_time.seconds", 2**62, "eventTime"),
        (kinds.EVENT, "regarding.uid", "u" * 2000, "regarding.uid"),
        (kinds.EVENT, "related.field_path", "f" * 2000, "related.fieldPath"),
    ],
    ids=str,
)  # fmt: skip
def test_no_time_and_no_word_is_out_of_bounds(
    kind: AnyKind, path: str, value: Any, field: str
) -> None:
    before = example(kind, "web")
    if kind.name in STATUSES:
        before = codec.from_json(codec.to_json(stored(kind)) | {"status": STATUSES[kind.name]})
    changed = type(before)()
    changed.CopyFrom(before)
    target: Any = changed
    *parts, last = path.split(".")
    for part in parts:
        target = target[int(part)] if part.isdecimal() else getattr(target, part)
    setattr(target, last, value)
    subresource = "status" if kind.has_status else ""
    with pytest.raises(InvalidObjectError) as caught:
        rooms.prepare_update(kind, before, changed, subresource=subresource, known=kinds.BUILT_IN)
    assert [violation.field for violation in caught.value.violations] == [field]


# ---- A pod's address is one of its node ----


def place(address: str, *, host: bool = False, cidr: str = "10.244.1.0/24") -> tuple[Any, Any]:
    pod = example(kinds.POD, "web")
    pod.status.pod_ip, pod.spec.node_name, pod.spec.host_network = address, "n0", host
    node = node_pb2.Node()
    node.metadata.name, node.spec.pod_cidr = "n0", cidr
    node.status.addresses.add(type="InternalIP", address="192.168.0.5")
    node.status.addresses.add(type="Hostname", address="10.244.9.9")
    return pod, node


def check_place(pod: pod_pb2.Pod, node: node_pb2.Node | None) -> None:
    """Raise unless the pod may get its address from ``node``, which is what the rule looks at."""
    bound = pod_pb2.Pod(metadata=pod.metadata, spec=pod.spec)
    for neighbour in PLACE.of(bound, pod):
        assert (neighbour.kind, neighbour.name) == (kinds.NODE, pod.spec.node_name)
        report = Report()
        PLACE.check(pod, (node,), AddressRanges(SERVICES, range(0)), report)
        report.raise_if_any()


@pytest.mark.parametrize(
    ("address", "host", "cidr", "expected"),
    [
        ("10.244.1.7", False, "10.244.1.0/24", ""),
        ("10.244.2.7", False, "10.244.1.0/24", "must be in 10.244.1.0/24, the range of node n0"),
        ("192.168.0.5", False, "10.244.1.0/24", "must be in 10.244.1.0/24"),
        ("10.96.0.1", False, "10.96.0.0/24", "belongs to Services"),
        ("10.244.1.7", False, "", "has no range of addresses yet"),
        ("192.168.0.5", True, "10.244.1.0/24", ""),
        ("192.168.0.6", True, "10.244.1.0/24", "it has 192.168.0.5"),
        ("10.244.1.7", True, "10.244.1.0/24", "it has 192.168.0.5"),
        ("10.244.9.9", True, "10.244.1.0/24", "it has 192.168.0.5"),
    ],
)
def test_a_pods_address_is_one_that_its_node_may_give(
    address: str, host: bool, cidr: str, expected: str
) -> None:
    pod, node = place(address, host=host, cidr=cidr)
    if not expected:
        check_place(pod, node)
        assert is_usable(pod, node)
        return
    with pytest.raises(InvalidObjectError, match=r"status\.podIP") as caught:
        check_place(pod, node)
    assert expected in str(caught.value)
    # Who makes endpoints knows no Services' range, and believes what was checked meanwhile.
    assert is_usable(pod, node) == (expected in ("belongs to Services",) or not cidr)


@pytest.mark.parametrize(
    ("address_type", "address", "passes"),
    [
        ("IPv4", "192.0.2.7", True),
        ("IPv4", "127.0.0.1", False),
        ("IPv4", "169.254.169.254", False),
        ("IPv4", "224.0.0.1", False),
        ("IPv4", "0.0.0.0", False),
        ("IPv6", "2001:db8::7", True),
        ("IPv6", "::1", False),
        ("IPv6", "fe80::1", False),
        ("IPv6", "ff02::1", False),
        ("IPv6", "::", False),
        ("FQDN", "localhost", True),
    ],
)
def test_an_endpoint_is_one_that_other_machines_reach(
    address_type: str, address: str, passes: bool
) -> None:
    made = example(kinds.ENDPOINT_SLICE, "web")
    made.address_type, made.endpoints[0].addresses[0] = address_type, address

    def admit() -> None:
        rooms.prepare_create(
            kinds.ENDPOINT_SLICE, made, now=NOW, uid="u", name_suffix="x", known=kinds.BUILT_IN
        )

    if passes:
        admit()
    else:
        with pytest.raises(InvalidObjectError, match="other machines reach"):
            admit()


def test_a_pod_on_no_node_has_no_address() -> None:
    pod, _ = place("10.244.1.7")
    with pytest.raises(InvalidObjectError, match="on no node"):
        check_place(pod, None)
    pod.status.ClearField("pod_ip")
    check_place(pod, None)


def test_only_a_new_address_is_looked_at() -> None:
    pod, _ = place("10.244.1.7")
    gone, moved = pod_pb2.Pod(), pod_pb2.Pod()
    gone.CopyFrom(pod)
    gone.status.ClearField("pod_ip")
    moved.CopyFrom(pod)
    moved.status.pod_ip = "10.244.1.8"
    looks = [
        bool(PLACE.of(*change)) for change in ((pod, pod), (pod, gone), (gone, pod), (pod, moved))
    ]
    assert looks == [False, False, True, True]
