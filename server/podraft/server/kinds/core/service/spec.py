"""Services: defaults, rules, and the fields that an update keeps.

Addresses and node ports are handed out by ``service_addresses``, later, in the
transaction that stores the service.
"""

from __future__ import annotations

from podraft.api import names
from podraft.api.core.v1 import service_pb2
from podraft.api.kinds.core import NODE_PORTS
from podraft.api.objects.ports import PROTOCOLS, TCP, protocol_of
from podraft.api.violations import shown
from podraft.server.kinds.core.service.policies import check_policies, default_policies
from podraft.server.kinds.report import Report, check_labels, check_port, is_ipv4

HEADLESS = "None"
_TYPES = ("ClusterIP", "NodePort")
_LATER_TYPES = ("LoadBalancer", "ExternalName")
PORTS_MAX = 250


def default(service: service_pb2.Service) -> None:
    """Fill in the fields that a Service leaves out."""
    spec = service.spec
    if not spec.type:
        spec.type = "ClusterIP"
    if not spec.cluster_ip and spec.cluster_ips:
        spec.cluster_ip = spec.cluster_ips[0]
    elif spec.cluster_ip and not spec.cluster_ips:
        spec.cluster_ips.append(spec.cluster_ip)
    default_policies(spec)
    for port in spec.ports:
        if not port.protocol:
            port.protocol = TCP
        target = port.target_port
        if port.port and not target.int_val and not target.str_val:
            target.type = 0
            target.int_val = port.port


def check(service: service_pb2.Service, report: Report) -> None:
    """Check a Service."""
    spec = service.spec
    if spec.type in _LATER_TYPES:
        report.add("spec.type", f"{spec.type} is not supported: expected {' or '.join(_TYPES)}")
    else:
        report.one_of("spec.type", spec.type, _TYPES)
    _check_address(spec, report)
    check_policies(spec, report)
    check_labels(spec.selector, "spec.selector", report)
    if not spec.ports and spec.cluster_ip != HEADLESS:
        report.add("spec.ports", "must have at least one port")
    if len(spec.ports) > PORTS_MAX:
        report.add("spec.ports", f"must be at most {PORTS_MAX}, are {len(spec.ports)}")
        return
    _check_ports(spec, report)


def _check_address(spec: service_pb2.ServiceSpec, report: Report) -> None:
    address = spec.cluster_ip
    if address == HEADLESS:
        if spec.type != "ClusterIP":
            report.add("spec.clusterIP", f'must not be "None" for type {spec.type}')
    elif address and not is_ipv4(address):
        report.add(
            "spec.clusterIP", f'expected an IPv4 address, "None" or nothing, got {shown(address)}'
        )
    if len(spec.cluster_ips) > 1:
        report.add("spec.clusterIPs", "must be a single address: only IPv4 is supported")
    elif spec.cluster_ips and spec.cluster_ips[0] != address:
        report.add(
            "spec.clusterIPs[0]",
            f"must equal spec.clusterIP ({address}), is {shown(spec.cluster_ips[0])}",
        )


def _check_ports(spec: service_pb2.ServiceSpec, report: Report) -> None:
    taken_names: set[str] = set()
    taken: set[tuple[str, int]] = set()
    taken_nodes: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        if port.name or len(spec.ports) > 1:
            report.name(f"{path}.name", port.name, names.dns_label(port.name))
        if port.name and port.name in taken_names:
            report.add(f"{path}.name", f"duplicate: another port is called {shown(port.name)}")
        taken_names.add(port.name)
        report.one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
        if port.port:
            report.between(f"{path}.port", port.port, 1, 65535)
        else:
            report.required(f"{path}.port")
        if (port.protocol, port.port) in taken:
            report.add(f"{path}.port", f"duplicate: {port.port}/{port.protocol} is listed already")
        taken.add((port.protocol, port.port))
        if port.app_protocol and (problem := names.qualified(port.app_protocol)) is not None:
            report.add(f"{path}.appProtocol", f"{shown(port.app_protocol)} {problem}")
        if port.HasField("target_port"):
            check_port(port.target_port, f"{path}.targetPort", report)
        if port.node_port:
            _check_node_port(spec.type, port, taken_nodes, f"{path}.nodePort", report)


def _check_node_port(
    service_type: str,
    port: service_pb2.ServicePort,
    taken: set[tuple[str, int]],
    field: str,
    report: Report,
) -> None:
    report.between(field, port.node_port, 1, 65535)
    if service_type != "NodePort":
        report.add(field, f"must only be set for type NodePort, not {service_type}")
    if (port.protocol, port.node_port) in taken:
        report.add(field, f"duplicate: {port.node_port}/{port.protocol} is listed already")
    taken.add((port.protocol, port.node_port))


def keep(stored: service_pb2.Service, service: service_pb2.Service) -> None:
    """Keep the address and node ports that an update does not mention.

    A reapplied manifest does not mention them, but the service's clients know them.
    """
    old, new = stored.spec, service.spec
    if not new.cluster_ip and not new.cluster_ips and old.cluster_ip:
        new.cluster_ip = old.cluster_ip
    if new.type != "NodePort":
        return
    known = {(port.protocol, port.port): port.node_port for port in old.ports}
    used = {port.node_port for port in new.ports if port.node_port}
    for port in new.ports:
        held_port = known.get((protocol_of(port), port.port), 0)
        if not port.node_port and held_port and held_port not in used:
            port.node_port = held_port


def leave(stored: service_pb2.Service, service: service_pb2.Service) -> None:
    """Remove the node ports of a whole update along with the type, unless it asks for others.

    A client that reads a service, changes its type and writes it whole did not choose the ports.
    """
    if stored.spec.type != "NodePort" or not NODE_PORTS.forbids(service.spec.type):
        return
    if service.spec.external_traffic_policy == stored.spec.external_traffic_policy:
        service.spec.ClearField("external_traffic_policy")
    held = {(port.protocol, port.node_port) for port in stored.spec.ports}
    for port in service.spec.ports:
        if (protocol_of(port), port.node_port) in held:
            port.ClearField("node_port")


def check_change(stored: service_pb2.Service, service: service_pb2.Service, report: Report) -> None:
    """Check that the address stays, because clients may have kept it."""
    before, after = stored.spec.cluster_ip, service.spec.cluster_ip
    if before and before != after:
        report.add("spec.clusterIP", f"cannot be changed: it is {before}, got {shown(after)}")
