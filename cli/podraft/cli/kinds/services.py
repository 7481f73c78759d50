"""The view of a Service: which pods receive its traffic, and why others do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podraft.api.columns.column import pairs as pairs_text
from podraft.api.core.v1 import pod_pb2, service_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.objects import endpoints, ports
from podraft.api.objects.pods import is_finished
from podraft.cli.kinds.pod_reasons import pod_reasons
from podraft.cli.kinds.view import Explanation, Need, Surroundings, View, bullets, latest_events
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, block, indented, table


class ServiceView(View[service_pb2.Service]):
    """The view of a service; its pods are those that its selector matches and its slices list."""

    describe_needs = frozenset({Need.EVENTS, Need.SLICES})

    def body(self, service: service_pb2.Service, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a service without its events."""
        spec = service.spec
        pairs = common.metadata(service.metadata, namespaced=True)
        pairs += [
            ("Selector", pairs_text(spec.selector)),
            ("Type", spec.type or "ClusterIP"),
            ("IP", spec.cluster_ip or NONE),
        ]
        for port in spec.ports:
            name = port.name or "<unset>"
            protocol = ports.protocol_of(port)
            target = ports.target_text(port)
            pairs.append((f"Port {name}", f"{port.port}/{protocol} -> {target}/{protocol}"))
            if port.node_port:
                pairs.append((f"NodePort {name}", f"{port.node_port}/{protocol}"))
            pairs.append((f"Endpoints {name}", _endpoints(port.name, around.slices)))
        return block(pairs)

    def why_needs(self, service: service_pb2.Service) -> frozenset[Need]:
        """Return what is needed to explain a service."""
        return frozenset({Need.EVENTS, Need.SLICES, Need.NAMESPACE_PODS})

    def why(self, service: service_pb2.Service, around: Surroundings, now_s: float) -> Explanation:
        """Return which pods receive a service's traffic and why the others do not."""
        selector = dict(service.spec.selector)
        matched = [pod for pod in around.pods if selector and _lacks(pod, selector) == 0]
        members = memberships(service, matched, around.slices, now_s)
        serving = sum(member.serving for member in members)
        address = service.spec.cluster_ip or "none"
        lines = [f"  address {address}, selector {pairs_text(selector)}", ""]
        rows = [
            [one.pod, one.address or "-", "yes" if one.serving else "no", one.reason]
            for one in sorted(members, key=lambda member: (member.serving, member.pod))
        ]
        if rows:
            lines += indented(table(["Pod", "Address", "Traffic", "Why"], rows))
        lines += bullets(service_reasons(service, matched, around.pods))
        lines += latest_events(around.events, now_s)
        how = f", {serving} of {len(members)} pods receive its traffic"
        return Explanation(lines, "Ready" if serving else "NotReady", how)


def _lacks(pod: pod_pb2.Pod, selector: dict[str, str]) -> int:
    return sum(pod.metadata.labels.get(key) != value for key, value in selector.items())


def _endpoints(port_name: str, slices: Sequence[endpoint_slice_pb2.EndpointSlice]) -> str:
    ready = sorted(
        f"{address}:{port.port}"
        for one in slices
        for port in one.ports
        if port.name == port_name
        for point in one.endpoints
        if endpoints.is_ready(point)
        for address in point.addresses
    )
    more = f" + {len(ready) - 5} more..." if len(ready) > 5 else ""
    return ",".join(ready[:5]) + more if ready else NONE


@dataclass(frozen=True, slots=True)
class Membership:
    """The relation of a pod to a service: whether it receives the traffic, and why not."""

    pod: str
    address: str
    serving: bool
    reason: str


def memberships(
    service: service_pb2.Service,
    pods: Iterable[pod_pb2.Pod],
    slices: Sequence[endpoint_slice_pb2.EndpointSlice],
    now_s: float,
) -> list[Membership]:
    """Return, for each pod that the selector matches, whether it gets traffic."""
    ready = {
        point.target_ref.name
        for one in slices
        for point in one.endpoints
        if endpoints.is_ready(point)
    }
    result = []
    for pod in pods:
        name, address = pod.metadata.name, pod.status.pod_ip
        if name in ready:
            result.append(Membership(name, address, serving=True, reason="receives traffic"))
            continue
        reasons = pod_reasons(pod, (), None, now_s)
        if is_finished(pod):
            reasons = [f"it has ended ({pod.status.phase})"]
        elif not address:
            reasons = reasons or ["it has no address yet"]
        missing = _missing_ports(service, pod)
        reason = (missing or reasons or ["it is ready, its endpoint will be there in a moment"])[0]
        result.append(Membership(name, address, serving=False, reason=reason))
    return result


def _missing_ports(service: service_pb2.Service, pod: pod_pb2.Pod) -> list[str]:
    return [
        f'no container of it has a port named "{port.target_port.str_val}"'
        + (f" for {port.protocol}" if ports.protocol_of(port) != ports.TCP else "")
        for port in service.spec.ports
        if ports.target_number(port, pod) is None
    ]


def service_reasons(
    service: service_pb2.Service,
    matched: Sequence[pod_pb2.Pod],
    all_pods: Iterable[pod_pb2.Pod],
) -> list[str]:
    """Return what, apart from the pods that match, keeps a service from answering."""
    selector = dict(service.spec.selector)
    if not selector:
        return ["it has no selector: its endpoints are whatever slices somebody writes"]
    if matched:
        return []
    reasons = ["no pod of the namespace has all the labels of its selector"]
    best = max(
        all_pods,
        key=lambda pod: sum(pod.metadata.labels.get(k) == v for k, v in selector.items()),
        default=None,
    )
    if best is not None:
        lacking = [
            f"{key}={value} (it has {best.metadata.labels.get(key, 'none')})"
            for key, value in sorted(selector.items())
            if best.metadata.labels.get(key) != value
        ]
        if len(lacking) < len(selector):
            reasons.append(f"pod {best.metadata.name} comes nearest; it lacks {', '.join(lacking)}")
    return reasons
