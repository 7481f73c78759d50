"""Statuses: what nodes and controllers say of objects is checked like what users say.

Owns: the types, ranges and sizes of conditions, containers' states, counts, times and
addresses.  Whether an address is one that a pod can have is `pod_addresses`' question.

Invariant: what passes can be shown, added up and planned with; a machine that was broken
into can lie in its own status, but can neither bloat it nor make anyone stumble over it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from podraft.api import names, times
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.core.v1 import container_pb2, namespace_pb2, node_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.kinds.pod_addresses import check_addresses
from podraft.server.kinds.report import Report, is_ipv4
from podraft.server.kinds.resources import NODE_RESOURCES, QOS_CLASSES, check_amounts

MAX_CONDITIONS = 64
MAX_NODE_ADDRESSES = 32
MAX_NODE_AMOUNTS = 64
MAX_MESSAGE = 32 * 1024
MAX_REASON = 1024
# Names of images, runtimes, releases: whatever a machine says of itself in a word or two.
MAX_WORD = 4096
_MAX_TYPE = 316
_CONDITION_STATUSES = ("True", "False", "Unknown")
_USUAL_TYPES = frozenset(("PodScheduled", "Initialized", "ContainersReady", "Ready"))
_QOS_CLASSES = ("", *QOS_CLASSES)
_POD_PHASES = ("", "Pending", "Running", "Succeeded", "Failed", "Unknown")
_NAMESPACE_PHASES = ("", "Active", "Terminating")
_IP_TYPES = ("InternalIP", "ExternalIP")
_NAME_TYPES = ("Hostname", "InternalDNS", "ExternalDNS")


class Condition(Protocol):
    """What the conditions of all kinds have in common."""

    type: str
    status: str
    reason: str
    message: str

    @property
    def last_transition_time(self) -> meta_pb2.Time:
        """When the status last changed."""


def check_pod_status(pod: pod_pb2.Pod, report: Report) -> None:
    """Check a Pod's status: on the way of every start and every probe's change, so quickly."""
    status = pod.status
    short = status.ByteSize() <= MAX_REASON
    if status.phase not in _POD_PHASES:
        report.one_of("status.phase", status.phase, _POD_PHASES)
    if status.qos_class not in _QOS_CLASSES:
        report.one_of("status.qosClass", status.qos_class, _QOS_CLASSES)
    if not short:
        _check_words("status", status.reason, status.message, report)
    _check_time(status.start_time, "status.startTime", report)
    check_addresses(status, report)
    conditions = status.conditions
    _check_conditions(conditions, report, short=short)
    for index, condition in enumerate(conditions):
        if condition.HasField("last_probe_time"):
            path = f"status.conditions[{index}].lastProbeTime"
            _check_time(condition.last_probe_time, path, report)
    if status.container_statuses:
        field, containers = "status.containerStatuses", pod.spec.containers
        _check_containers(status.container_statuses, containers, field, report, short=short)
    if status.init_container_statuses:
        field, containers = "status.initContainerStatuses", pod.spec.init_containers
        _check_containers(status.init_container_statuses, containers, field, report, short=short)


def check_node_status(node: node_pb2.Node, report: Report) -> None:
    """Check what a node says of itself."""
    status = node.status
    for field, amounts in (("capacity", status.capacity), ("allocatable", status.allocatable)):
        path = f"status.{field}"
        if _has_at_most(MAX_NODE_AMOUNTS, amounts, path, report):
            check_amounts(amounts, path, report, NODE_RESOURCES)
    _check_conditions(status.conditions, report, short=False)
    for index, condition in enumerate(status.conditions):
        path = f"status.conditions[{index}].lastHeartbeatTime"
        _check_time(condition.last_heartbeat_time, path, report)
    if _has_at_most(MAX_NODE_ADDRESSES, status.addresses, "status.addresses", report):
        for index, address in enumerate(status.addresses):
            _check_node_address(address, f"status.addresses[{index}]", report)
    port = status.daemon_endpoints.kubelet_endpoint.port
    report.between("status.daemonEndpoints.kubeletEndpoint.Port", port, 0, 65535)
    for described, value in status.node_info.ListFields():
        _check_length(value, MAX_WORD, f"status.nodeInfo.{described.json_name}", report)


def check_namespace_status(namespace: namespace_pb2.Namespace, report: Report) -> None:
    """Check a Namespace's status."""
    report.one_of("status.phase", namespace.status.phase, _NAMESPACE_PHASES)
    _check_conditions(namespace.status.conditions, report, short=False)


def check_replica_set_status(replica_set: replica_set_pb2.ReplicaSet, report: Report) -> None:
    """Check a ReplicaSet's status."""
    status = replica_set.status
    _check_counts(status, report)
    _check_conditions(status.conditions, report, short=False)


def check_deployment_status(deployment: deployment_pb2.Deployment, report: Report) -> None:
    """Check a Deployment's status."""
    status = deployment.status
    _check_counts(status, report)
    _check_conditions(status.conditions, report, short=False)
    for index, condition in enumerate(status.conditions):
        path = f"status.conditions[{index}].lastUpdateTime"
        _check_time(condition.last_update_time, path, report)


def _check_counts(
    status: replica_set_pb2.ReplicaSetStatus | deployment_pb2.DeploymentStatus, report: Report
) -> None:
    for described, value in status.ListFields():
        if isinstance(value, int):
            report.at_least(f"status.{described.json_name}", value, 0)


def _check_conditions(conditions: Sequence[Condition], report: Report, *, short: bool) -> None:
    """Check the conditions; ``short``: no text in them can be too long."""
    if not _has_at_most(MAX_CONDITIONS, conditions, "status.conditions", report):
        return
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        type_ = condition.type
        is_usual = (
            short
            and type_ in _USUAL_TYPES
            and type_ not in seen
            and condition.status in _CONDITION_STATUSES
            and times.is_time(condition.last_transition_time)
        )
        if not is_usual:
            _check_condition(condition, f"status.conditions[{index}]", seen, report)
        seen.add(type_)


def _check_condition(condition: Condition, path: str, seen: set[str], report: Report) -> None:
    type_ = condition.type
    if not type_:
        report.required(f"{path}.type")
    elif len(type_) > _MAX_TYPE:
        _check_length(type_, _MAX_TYPE, f"{path}.type", report)
    elif (problem := names.qualified(type_)) is not None:
        report.add(f"{path}.type", f"{shown(type_)} {problem}")
    elif type_ in seen:
        report.add(f"{path}.type", f"duplicate: {shown(type_)} is listed already")
    report.one_of(f"{path}.status", condition.status, _CONDITION_STATUSES)
    _check_words(path, condition.reason, condition.message, report)
    _check_time(condition.last_transition_time, f"{path}.lastTransitionTime", report)


def _check_containers(
    statuses: Sequence[pod_pb2.ContainerStatus],
    containers: Iterable[container_pb2.Container],
    field: str,
    report: Report,
    *,
    short: bool,
) -> None:
    unseen = {container.name for container in containers}
    for index, status in enumerate(statuses):
        name = status.name
        if name not in unseen:
            what = "no such container of the pod, or listed already"
            report.add(f"{field}[{index}].name", f"{what}: {shown(name)}")
            return  # There may be very many.
        unseen.remove(name)
        if status.restart_count < 0:
            report.at_least(f"{field}[{index}].restartCount", status.restart_count, 0)
        if not short:
            _check_words_of_container(status, f"{field}[{index}]", report)
        _check_state(status.state, field, index, "state", report)
        if status.HasField("last_state"):
            _check_state(status.last_state, field, index, "lastState", report)


def _check_words_of_container(status: pod_pb2.ContainerStatus, path: str, report: Report) -> None:
    for name, value in (
        ("image", status.image),
        ("imageID", status.image_id),
        ("containerID", status.container_id),
    ):
        _check_length(value, MAX_WORD, f"{path}.{name}", report)
    for name, state in (("state", status.state), ("lastState", status.last_state)):
        waiting, ended = state.waiting, state.terminated
        _check_words(f"{path}.{name}.waiting", waiting.reason, waiting.message, report)
        _check_words(f"{path}.{name}.terminated", ended.reason, ended.message, report)
        _check_length(ended.container_id, MAX_WORD, f"{path}.{name}.terminated.containerID", report)


def _check_state(
    state: pod_pb2.ContainerState, field: str, index: int, name: str, report: Report
) -> None:
    said = state.ListFields()
    if len(said) > 1:
        what = "expected at most one of waiting, running, terminated"
        report.add(f"{field}[{index}].{name}", what)
        return
    for described, value in said:
        kind = described.name
        if kind == "waiting":
            continue
        if not times.is_time(value.started_at):
            _check_time(value.started_at, f"{field}[{index}].{name}.{kind}.startedAt", report)
        if kind == "terminated" and not times.is_time(value.finished_at):
            _check_time(value.finished_at, f"{field}[{index}].{name}.{kind}.finishedAt", report)


def _check_node_address(address: node_pb2.NodeAddress, field: str, report: Report) -> None:
    value = address.address
    if address.type in _NAME_TYPES:
        report.name(f"{field}.address", value, names.dns_subdomain(value.lower()))
    elif address.type not in _IP_TYPES:
        report.one_of(f"{field}.type", address.type, (*_IP_TYPES, *_NAME_TYPES))
    elif not is_ipv4(value):
        report.add(f"{field}.address", f"expected an IPv4 address, got {shown(value)}")


def _check_words(field: str, reason: str, message: str, report: Report) -> None:
    if len(reason) > MAX_REASON:
        _check_length(reason, MAX_REASON, f"{field}.reason", report)
    if len(message) > MAX_MESSAGE:
        _check_length(message, MAX_MESSAGE, f"{field}.message", report)


def _check_length(value: str, longest: int, field: str, report: Report) -> None:
    if len(value) > longest:
        report.add(field, f"must be at most {longest} characters, is {len(value)}")


def _check_time(time: meta_pb2.Time, field: str, report: Report) -> None:
    if not times.is_time(time):
        report.add(field, "is no time between the years 1 and 9999")


def _has_at_most(most: int, found: Collection[object], field: str, report: Report) -> bool:
    if len(found) > most:
        report.add(field, f"must be at most {most}, are {len(found)}")
    return len(found) <= most
