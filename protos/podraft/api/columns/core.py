"""The tables of the core group: what runs and where, its configuration, and how it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from podraft.api import kinds, times
from podraft.api.columns.column import (
    AGE,
    NAME,
    NONE,
    Column,
    Table,
    containers,
    first_few,
    images,
    pairs,
)
from podraft.api.columns.pod_words import pod_words
from podraft.api.core.v1 import (
    config_pb2,
    endpoints_pb2,
    limit_range_pb2,
    namespace_pb2,
    node_pb2,
    resource_quota_pb2,
    service_pb2,
)
from podraft.api.objects import nodes
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.well_known import NODE_ROLE_PREFIX
from podraft.api.objects.workloads import replicas

_UNKNOWN = "<unknown>"


def _node_status(node: node_pb2.Node, now_s: float) -> str:
    word = "Ready" if nodes.is_ready(node) else "NotReady"
    if nodes.ready_condition(node) is None:
        word = "Unknown"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def _node_roles(node: node_pb2.Node, now_s: float) -> str:
    prefix = NODE_ROLE_PREFIX
    roles = {key.removeprefix(prefix) for key in node.metadata.labels if key.startswith(prefix)}
    return ",".join(sorted(roles - {""})) or NONE


def _node_address(address_type: str) -> Callable[[node_pb2.Node, float], str]:
    def value(node: node_pb2.Node, now_s: float) -> str:
        return next(iter(nodes.addresses(node, address_type)), NONE)

    return value


def _node_info(field: str) -> Callable[[node_pb2.Node, float], str]:
    return lambda node, now_s: getattr(node.status.node_info, field) or _UNKNOWN


def _service_ports(service: service_pb2.Service, now_s: float) -> str:
    def text(port: service_pb2.ServicePort) -> str:
        node_port = f":{port.node_port}" if port.node_port else ""
        return f"{port.port}{node_port}/{port.protocol or 'TCP'}"

    return ",".join(text(port) for port in service.spec.ports) or NONE


def _endpoints(endpoints: endpoints_pb2.Endpoints, now_s: float) -> str:
    def texts() -> Iterator[str]:
        for subset in endpoints.subsets:
            for address in subset.addresses:
                yield from (f"{address.ip}:{port.port}" for port in subset.ports)
                if not subset.ports:
                    yield address.ip

    return first_few(texts()) or NONE


def _data_count(obj: config_pb2.ConfigMap | config_pb2.Secret, now_s: float) -> str:
    binary = len(obj.binary_data) if isinstance(obj, config_pb2.ConfigMap) else 0
    return str(len(obj.data) + binary)


def _namespace_status(namespace: namespace_pb2.Namespace, now_s: float) -> str:
    if is_deleting(namespace.metadata):
        return "Terminating"
    return namespace.status.phase or "Active"


_NAMESPACE = (NAME, Column("STATUS", _namespace_status, is_status=True), AGE)
_NODE = (
    NAME,
    Column("STATUS", _node_status, is_status=True),
    Column("ROLES", _node_roles),
    AGE,
    Column("VERSION", lambda node, now_s: node.status.node_info.kubelet_version),
    Column("INTERNAL-IP", _node_address(nodes.INTERNAL_IP), wide=True),
    Column("EXTERNAL-IP", _node_address("ExternalIP"), wide=True),
    Column("OS-IMAGE", _node_info("os_image"), wide=True),
    Column("KERNEL-VERSION", _node_info("kernel_version"), wide=True),
    Column("CONTAINER-RUNTIME", _node_info("container_runtime_version"), wide=True),
)
_CONFIG_MAP = (NAME, Column("DATA", _data_count), AGE)
_SECRET = (
    NAME,
    Column("TYPE", lambda secret, now_s: secret.type or "Opaque"),
    Column("DATA", _data_count),
    AGE,
)
_SERVICE = (
    NAME,
    Column("TYPE", lambda service, now_s: service.spec.type or "ClusterIP"),
    Column("CLUSTER-IP", lambda service, now_s: service.spec.cluster_ip or NONE),
    Column("EXTERNAL-IP", lambda service, now_s: NONE),
    Column("PORT(S)", _service_ports),
    AGE,
    Column("SELECTOR", lambda service, now_s: pairs(service.spec.selector), wide=True),
)
_POD = (
    NAME,
    Column("READY", lambda pod, now_s: pod_words(pod, now_s).ready),
    Column("STATUS", lambda pod, now_s: pod_words(pod, now_s).status, is_status=True),
    Column("RESTARTS", lambda pod, now_s: pod_words(pod, now_s).restarts),
    AGE,
    Column("IP", lambda pod, now_s: pod.status.pod_ip or NONE, wide=True),
    Column("NODE", lambda pod, now_s: pod.spec.node_name or NONE, wide=True),
    Column("NOMINATED NODE", lambda pod, now_s: NONE, wide=True),
    Column("READINESS GATES", lambda pod, now_s: NONE, wide=True),
)
_SERVICE_ACCOUNT = (
    NAME,
    Column("SECRETS", lambda account, now_s: str(len(account.secrets))),
    AGE,
)
_POD_TEMPLATE = (
    NAME,
    Column("CONTAINERS", lambda template, now_s: containers(template.template.spec)),
    Column("IMAGES", lambda template, now_s: images(template.template.spec)),
    Column("POD LABELS", lambda template, now_s: pairs(template.template.metadata.labels)),
)
_ENDPOINTS = (NAME, Column("ENDPOINTS", _endpoints), AGE)
_REPLICATION_CONTROLLER = (
    NAME,
    Column("DESIRED", lambda rc, now_s: str(replicas(rc.spec))),
    Column("CURRENT", lambda rc, now_s: str(rc.status.replicas)),
    Column("READY", lambda rc, now_s: str(rc.status.ready_replicas), is_status=True),
    AGE,
    Column("CONTAINERS", lambda rc, now_s: containers(rc.spec.template.spec), wide=True),
    Column("IMAGES", lambda rc, now_s: images(rc.spec.template.spec), wide=True),
    Column("SELECTOR", lambda rc, now_s: pairs(rc.spec.selector), wide=True),
)

_LIMITS: Final = "limits."


def _used(*, limits: bool) -> Callable[[resource_quota_pb2.ResourceQuota, float], str]:
    """Return the column of what is used of the limits, or of everything else."""

    def value(quota: resource_quota_pb2.ResourceQuota, now_s: float) -> str:
        status = quota.status
        names = sorted(name for name in status.hard if name.startswith(_LIMITS) == limits)
        used = (status.used[name].string if name in status.used else "0" for name in names)
        pairs = zip(names, used, strict=True)
        return ", ".join(f"{name}: {one}/{status.hard[name].string}" for name, one in pairs)

    return value


def _created(limits: limit_range_pb2.LimitRange, now_s: float) -> str:
    return times.format_time(limits.metadata.creation_timestamp)


_QUOTA = (
    NAME,
    Column("REQUEST", _used(limits=False)),
    Column("LIMIT", _used(limits=True)),
    AGE,
)
_LIMIT_RANGE = (NAME, Column("CREATED AT", _created))

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.NAMESPACE: Table(_NAMESPACE),
    kinds.NODE: Table(_NODE),
    kinds.CONFIG_MAP: Table(_CONFIG_MAP),
    kinds.SECRET: Table(_SECRET),
    kinds.SERVICE: Table(_SERVICE),
    kinds.POD: Table(_POD),
    kinds.SERVICE_ACCOUNT: Table(_SERVICE_ACCOUNT),
    kinds.POD_TEMPLATE: Table(_POD_TEMPLATE),
    kinds.ENDPOINTS: Table(_ENDPOINTS),
    kinds.REPLICATION_CONTROLLER: Table(_REPLICATION_CONTROLLER),
    kinds.RESOURCE_QUOTA: Table(_QUOTA),
    kinds.LIMIT_RANGE: Table(_LIMIT_RANGE),
}
