"""The descriptions of what is neither a pod nor a workload."""

from __future__ import annotations

from collections.abc import Sequence

from podraft.api import codec, quantities
from podraft.api.characters import one_line
from podraft.api.columns import ages
from podraft.api.columns.column import pairs as pairs_text
from podraft.api.columns.pod_words import pod_words
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import config_pb2, namespace_pb2, node_pb2, pod_pb2, service_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.objects.pods import is_finished
from podraft.cli.output.describe import common
from podraft.cli.output.describe.layout import NONE, Below, block, table
from podraft.cli.output.describe.templates import Pairs, quantity_list


def namespace_lines(namespace: namespace_pb2.Namespace) -> list[str]:
    """Return everything of a namespace."""
    pairs = common.metadata(namespace.metadata, namespaced=False)
    pairs.append(("Status", namespace.status.phase or "Active"))
    pairs.append(("Conditions", common.conditions(namespace.status.conditions)))
    return block(pairs)


def node_lines(node: node_pb2.Node, pods: Sequence[pod_pb2.Pod], now_s: float) -> list[str]:
    """Return everything of a node but its events; `pods` are those on it."""
    info = node.status.node_info
    taints = [f"{t.key}{f'={t.value}' if t.value else ''}:{t.effect}" for t in node.spec.taints]
    pairs = common.metadata(node.metadata, namespaced=False)
    pairs += [
        ("Taints", taints),
        ("Unschedulable", str(node.spec.unschedulable).lower()),
        ("Conditions", common.conditions(node.status.conditions)),
        ("Addresses", [f"{a.type}: {a.address}" for a in node.status.addresses]),
        ("Capacity", quantity_list(node.status.capacity)),
        ("Allocatable", quantity_list(node.status.allocatable)),
        ("Kernel Version", info.kernel_version or NONE),
        ("OS Image", info.os_image or NONE),
        ("Container Runtime", info.container_runtime_version or NONE),
        ("Agent Version", info.kubelet_version or NONE),
        ("PodCIDR", node.spec.pod_cidr or NONE),
    ]
    live = [pod for pod in pods if not is_finished(pod)]
    rows = [
        [
            pod.metadata.namespace,
            pod.metadata.name,
            quantities.format_milli(_requested(pod, "cpu")),
            quantities.format_bytes(-(-_requested(pod, "memory") // 1000)),
            pod_words(pod, now_s).status,
        ]
        for pod in live
    ]
    headers = ["Namespace", "Name", "CPU Requests", "Memory Requests", "Status"]
    pairs.append((f"Pods ({len(live)} in total)", Below(table(headers, rows) if rows else [])))
    pairs.append(("Allocated resources", _allocated(node, live)))
    return block(pairs)


def _requested(pod: pod_pb2.Pod, resource: str) -> int:
    """Return what a pod asks for, in thousandths: its containers, or the largest init one."""

    def of(containers: Sequence[object]) -> list[int]:
        return [
            quantities.milli(c.resources.requests[resource])  # type: ignore[attr-defined]  # Container
            if resource in c.resources.requests  # type: ignore[attr-defined]  # Container
            else 0
            for c in containers
        ]

    return max(sum(of(pod.spec.containers)), *of(pod.spec.init_containers), 0)


def _allocated(node: node_pb2.Node, pods: Sequence[pod_pb2.Pod]) -> list[str]:
    lines = []
    for resource in ("cpu", "memory"):
        asked = sum(_requested(pod, resource) for pod in pods)
        there = 0
        if resource in node.status.allocatable:
            there = quantities.milli(node.status.allocatable[resource])
        share = f" ({asked * 100 // there}%)" if there else ""
        text = quantities.format_milli(asked) if resource == "cpu" else _mebibytes(asked)
        lines.append(f"{resource}: {text}{share}")
    return lines


def _mebibytes(milli_bytes: int) -> str:
    return f"{milli_bytes // 1000 // (1 << 20)}Mi"


def service_lines(
    service: service_pb2.Service, slices: Sequence[endpoint_slice_pb2.EndpointSlice]
) -> list[str]:
    """Return everything of a service but its events."""
    spec = service.spec
    pairs = common.metadata(service.metadata, namespaced=True)
    pairs += [
        ("Selector", pairs_text(spec.selector)),
        ("Type", spec.type or "ClusterIP"),
        ("IP", spec.cluster_ip or NONE),
    ]
    for port in spec.ports:
        name = port.name or "<unset>"
        protocol = port.protocol or "TCP"
        target = port.target_port.str_val or str(port.target_port.int_val or port.port)
        pairs.append((f"Port {name}", f"{port.port}/{protocol} -> {target}/{protocol}"))
        if port.node_port:
            pairs.append((f"NodePort {name}", f"{port.node_port}/{protocol}"))
        pairs.append((f"Endpoints {name}", _endpoints(port.name, slices)))
    return block(pairs)


def _endpoints(port_name: str, slices: Sequence[endpoint_slice_pb2.EndpointSlice]) -> str:
    ready = sorted(
        f"{address}:{port.port}"
        for one in slices
        for port in one.ports
        if port.name == port_name
        for point in one.endpoints
        if point.conditions.ready or not point.conditions.HasField("ready")
        for address in point.addresses
    )
    more = f" + {len(ready) - 5} more..." if len(ready) > 5 else ""
    return ",".join(ready[:5]) + more if ready else NONE


def config_map_lines(config_map: config_pb2.ConfigMap) -> list[str]:
    """Return everything of a config map but its events."""
    lines = block(common.metadata(config_map.metadata, namespaced=True))
    lines += ["", "Data", "===="]
    for key in sorted(config_map.data):
        text = [one_line(line) for line in config_map.data[key].splitlines()]
        lines += [f"{key}:", "----", *text, ""]
    for key in sorted(config_map.binary_data):
        lines += [f"{key}: {len(config_map.binary_data[key])} bytes", ""]
    return lines


def secret_lines(secret: config_pb2.Secret) -> list[str]:
    """Return everything of a secret; of its values only how long they are."""
    pairs = common.metadata(secret.metadata, namespaced=True)
    pairs.append(("Type", secret.type or "Opaque"))
    sizes: Pairs = [(key, f"{len(secret.data[key])} bytes") for key in sorted(secret.data)]
    return [*block(pairs), "", "Data", "====", *block(sizes)]


def endpoint_slice_lines(endpoints: endpoint_slice_pb2.EndpointSlice) -> list[str]:
    """Return everything of an endpoint slice but its events."""
    pairs = common.metadata(endpoints.metadata, namespaced=True)
    pairs.append(("AddressType", endpoints.address_type))
    ports = [f"{p.name or '<unset>'} {p.port}/{p.protocol or 'TCP'}" for p in endpoints.ports]
    pairs.append(("Ports", ports))
    rows = [
        [
            ",".join(point.addresses),
            str(point.conditions.ready),
            str(point.conditions.serving),
            str(point.conditions.terminating),
            f"{point.target_ref.kind}/{point.target_ref.name}",
            point.node_name or NONE,
        ]
        for point in endpoints.endpoints
    ]
    headers = ["Addresses", "Ready", "Serving", "Terminating", "Target", "Node"]
    pairs.append(("Endpoints", Below(table(headers, rows) if rows else [])))
    return block(pairs)


def lease_lines(lease: lease_pb2.Lease, now_s: float) -> list[str]:
    """Return everything of a lease."""
    spec = lease.spec
    pairs = common.metadata(lease.metadata, namespaced=True)
    pairs += [
        ("Holder", spec.holder_identity or NONE),
        ("Duration", f"{spec.lease_duration_seconds}s"),
        ("Acquired", f"{ages.age(spec.acquire_time, now_s)} ago"),
        ("Renewed", f"{ages.age(spec.renew_time, now_s)} ago"),
        ("Transitions", str(spec.lease_transitions)),
    ]
    return block(pairs)


def event_lines(event: event_pb2.Event) -> list[str]:
    """Return everything of an event."""
    pairs = common.metadata(event.metadata, namespaced=True)
    regarding = event.regarding
    pairs += [
        ("Type", event.type),
        ("Reason", event.reason),
        ("Message", event.note),
        ("Regarding", f"{regarding.kind}/{regarding.name} in {regarding.namespace or NONE}"),
        ("Action", event.action or NONE),
        ("From", f"{event.reporting_controller} {event.reporting_instance}".strip()),
        ("Count", str(max(event.series.count, 1))),
    ]
    return block(pairs)


def any_lines(obj: object) -> list[str]:
    """Return an object's YAML: for kinds that have no description of their own."""
    from google.protobuf.message import Message

    from podraft.cli.output.documents import as_yaml

    assert isinstance(obj, Message)
    return as_yaml(codec.to_json(obj)).splitlines()
