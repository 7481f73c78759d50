"""The columns of every kind: the one table of what `get` shows.

Each column is a pure function of an object and the time it is.  Headers, order
and words are kubectl's, so that eyes and scripts need not learn new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api import kinds
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.characters import one_line
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import config_pb2, namespace_pb2, node_pb2, pod_pb2, service_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.cli.output import ages
from podraft.cli.output.pod_words import pod_words

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `wide` ones are shown with ``-o wide`` only."""

    header: str
    value: Callable[[Any, float], str]
    wide: bool = False
    is_status: bool = False


def columns_of(kind: kinds.AnyKind, *, wide: bool) -> tuple[Column, ...]:
    """Return the columns of a kind, in order."""
    return tuple(column for column in _COLUMNS[kind] if wide or not column.wide)


def row_of(columns: Sequence[Column], obj: Any, now_s: float) -> list[str]:
    """Return an object's cells, on one line and without control characters."""
    return [one_line(column.value(obj, now_s)) for column in columns]


def pairs(mapping: Mapping[str, str], separator: str = ",") -> str:
    """Return labels as ``a=b,c=d``."""
    return separator.join(f"{key}={mapping[key]}" for key in sorted(mapping)) or NONE


def selector_text(selector: meta_pb2.LabelSelector) -> str:
    """Return a label selector as users write it after ``-l``."""
    parts = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    for requirement in selector.match_expressions:
        values = ",".join(requirement.values)
        match requirement.operator:
            case "In":
                parts.append(f"{requirement.key} in ({values})")
            case "NotIn":
                parts.append(f"{requirement.key} notin ({values})")
            case "DoesNotExist":
                parts.append(f"!{requirement.key}")
            case _:
                parts.append(requirement.key)
    return ",".join(parts) or NONE


def first_few(items: Iterable[str], count: int = 3) -> str:
    """Return the first items and how many more there are."""
    everything = list(items)
    shown = ",".join(everything[:count])
    more = len(everything) - count
    return f"{shown} + {more} more..." if more > 0 else shown


def _name(obj: Any, now_s: float) -> str:
    return str(obj.metadata.name)


def _age(obj: Any, now_s: float) -> str:
    return ages.age(obj.metadata.creation_timestamp, now_s)


def _node_status(node: node_pb2.Node, now_s: float) -> str:
    ready = next((c.status for c in node.status.conditions if c.type == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _node_roles(node: node_pb2.Node, now_s: float) -> str:
    prefix = "node-role.kubernetes.io/"
    roles = {key.removeprefix(prefix) for key in node.metadata.labels if key.startswith(prefix)}
    return ",".join(sorted(roles - {""})) or NONE


def _node_address(address_type: str) -> Callable[[node_pb2.Node, float], str]:
    def value(node: node_pb2.Node, now_s: float) -> str:
        found = (a.address for a in node.status.addresses if a.type == address_type)
        return next(found, NONE)

    return value


def _containers(pod_spec: pod_pb2.PodSpec) -> str:
    return ",".join(container.name for container in pod_spec.containers)


def _images(pod_spec: pod_pb2.PodSpec) -> str:
    return ",".join(container.image for container in pod_spec.containers)


def _deployment_ready(deployment: deployment_pb2.Deployment, now_s: float) -> str:
    return f"{deployment.status.ready_replicas}/{deployment.spec.replicas}"


def _service_ports(service: service_pb2.Service, now_s: float) -> str:
    def text(port: service_pb2.ServicePort) -> str:
        node_port = f":{port.node_port}" if port.node_port else ""
        return f"{port.port}{node_port}/{port.protocol or 'TCP'}"

    return ",".join(text(port) for port in service.spec.ports) or NONE


def _slice_ports(endpoints: endpoint_slice_pb2.EndpointSlice, now_s: float) -> str:
    return first_few(str(port.port) for port in endpoints.ports) or "<unset>"


def _slice_endpoints(endpoints: endpoint_slice_pb2.EndpointSlice, now_s: float) -> str:
    addresses = (address for point in endpoints.endpoints for address in point.addresses)
    return first_few(addresses) or "<unset>"


def _data_count(obj: config_pb2.ConfigMap | config_pb2.Secret, now_s: float) -> str:
    binary = len(obj.binary_data) if isinstance(obj, config_pb2.ConfigMap) else 0
    return str(len(obj.data) + binary)


def _namespace_status(namespace: namespace_pb2.Namespace, now_s: float) -> str:
    if namespace.metadata.HasField("deletion_timestamp"):
        return "Terminating"
    return namespace.status.phase or "Active"


def event_last_s(event: event_pb2.Event) -> float:
    """Return when an event was seen last, in seconds since the epoch."""
    last = ages.epoch_s(event.series.last_observed_time)
    return last or ages.epoch_s(event.event_time) or ages.epoch_s(event.metadata.creation_timestamp)


def event_first_s(event: event_pb2.Event) -> float:
    """Return when an event was seen first, in seconds since the epoch."""
    return ages.epoch_s(event.event_time) or ages.epoch_s(event.metadata.creation_timestamp)


def _since(then_s: float, now_s: float) -> str:
    return ages.human_duration(now_s - then_s) if then_s else ages.UNKNOWN


def _event_object(event: event_pb2.Event, now_s: float) -> str:
    return f"{event.regarding.kind.lower()}/{event.regarding.name}"


def _lease_holder(lease: lease_pb2.Lease, now_s: float) -> str:
    return lease.spec.holder_identity


def _replica_set_numbers() -> tuple[Column, ...]:
    def desired(replica_set: replica_set_pb2.ReplicaSet, now_s: float) -> str:
        return str(replica_set.spec.replicas)

    return (
        Column("DESIRED", desired),
        Column("CURRENT", lambda rs, now_s: str(rs.status.replicas)),
        Column("READY", lambda rs, now_s: str(rs.status.ready_replicas)),
    )


_NAME = Column("NAME", _name)
_AGE = Column("AGE", _age)
_TEMPLATE = (
    Column("CONTAINERS", lambda obj, now_s: _containers(obj.spec.template.spec), wide=True),
    Column("IMAGES", lambda obj, now_s: _images(obj.spec.template.spec), wide=True),
    Column("SELECTOR", lambda obj, now_s: selector_text(obj.spec.selector), wide=True),
)

_COLUMNS: dict[kinds.AnyKind, tuple[Column, ...]] = {
    kinds.NAMESPACE: (_NAME, Column("STATUS", _namespace_status, is_status=True), _AGE),
    kinds.NODE: (
        _NAME,
        Column("STATUS", _node_status, is_status=True),
        Column("ROLES", _node_roles),
        _AGE,
        Column("VERSION", lambda node, now_s: node.status.node_info.kubelet_version),
        Column("INTERNAL-IP", _node_address("InternalIP"), wide=True),
        Column("EXTERNAL-IP", _node_address("ExternalIP"), wide=True),
        Column("OS-IMAGE", lambda n, now_s: n.status.node_info.os_image or "<unknown>", wide=True),
        Column(
            "KERNEL-VERSION",
            lambda node, now_s: node.status.node_info.kernel_version or "<unknown>",
            wide=True,
        ),
        Column(
            "CONTAINER-RUNTIME",
            lambda node, now_s: node.status.node_info.container_runtime_version or "<unknown>",
            wide=True,
        ),
    ),
    kinds.CONFIG_MAP: (_NAME, Column("DATA", _data_count), _AGE),
    kinds.SECRET: (
        _NAME,
        Column("TYPE", lambda secret, now_s: secret.type or "Opaque"),
        Column("DATA", _data_count),
        _AGE,
    ),
    kinds.SERVICE: (
        _NAME,
        Column("TYPE", lambda service, now_s: service.spec.type or "ClusterIP"),
        Column("CLUSTER-IP", lambda service, now_s: service.spec.cluster_ip or NONE),
        Column("EXTERNAL-IP", lambda service, now_s: NONE),
        Column("PORT(S)", _service_ports),
        _AGE,
        Column("SELECTOR", lambda service, now_s: pairs(service.spec.selector), wide=True),
    ),
    kinds.POD: (
        _NAME,
        Column("READY", lambda pod, now_s: pod_words(pod, now_s).ready),
        Column("STATUS", lambda pod, now_s: pod_words(pod, now_s).status, is_status=True),
        Column("RESTARTS", lambda pod, now_s: pod_words(pod, now_s).restarts),
        _AGE,
        Column("IP", lambda pod, now_s: pod.status.pod_ip or NONE, wide=True),
        Column("NODE", lambda pod, now_s: pod.spec.node_name or NONE, wide=True),
        Column("NOMINATED NODE", lambda pod, now_s: NONE, wide=True),
        Column("READINESS GATES", lambda pod, now_s: NONE, wide=True),
    ),
    kinds.REPLICA_SET: (_NAME, *_replica_set_numbers(), _AGE, *_TEMPLATE),
    kinds.DEPLOYMENT: (
        _NAME,
        Column("READY", _deployment_ready, is_status=True),
        Column("UP-TO-DATE", lambda deploy, now_s: str(deploy.status.updated_replicas)),
        Column("AVAILABLE", lambda deploy, now_s: str(deploy.status.available_replicas)),
        _AGE,
        *_TEMPLATE,
    ),
    kinds.ENDPOINT_SLICE: (
        _NAME,
        Column("ADDRESSTYPE", lambda endpoints, now_s: endpoints.address_type),
        Column("PORTS", _slice_ports),
        Column("ENDPOINTS", _slice_endpoints),
        _AGE,
    ),
    kinds.LEASE: (_NAME, Column("HOLDER", _lease_holder), _AGE),
    kinds.EVENT: (
        Column("LAST SEEN", lambda event, now_s: _since(event_last_s(event), now_s)),
        Column("TYPE", lambda event, now_s: event.type, is_status=True),
        Column("REASON", lambda event, now_s: event.reason),
        Column("OBJECT", _event_object),
        Column("SUBOBJECT", lambda event, now_s: event.regarding.field_path, wide=True),
        Column("SOURCE", lambda event, now_s: event.reporting_controller, wide=True),
        Column("MESSAGE", lambda event, now_s: event.note.strip()),
        Column("FIRST SEEN", lambda e, now_s: _since(event_first_s(e), now_s), wide=True),
        Column("COUNT", lambda event, now_s: str(max(event.series.count, 1)), wide=True),
        Column("NAME", _name, wide=True),
    ),
}
