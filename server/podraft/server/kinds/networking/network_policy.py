"""NetworkPolicies: the traffic that pods may have."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from podraft.api.networking.v1.network_policy_pb2 import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
)
from podraft.api.objects.ports import PROTOCOLS, TCP, is_named
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_port
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.addresses import range_of

_INGRESS, _EGRESS = "Ingress", "Egress"
_TYPES_MAX: Final = 2


def _default(policy: NetworkPolicy) -> None:
    """Fill in the protocols and the directions that a policy leaves out."""
    spec = policy.spec
    _default_ports(port for rule in spec.ingress for port in rule.ports)
    _default_ports(port for rule in spec.egress for port in rule.ports)
    if not spec.policy_types:
        spec.policy_types.append(_INGRESS)
        if spec.egress:
            spec.policy_types.append(_EGRESS)


def _default_ports(ports: Iterable[NetworkPolicyPort]) -> None:
    for port in ports:
        if not port.HasField("protocol"):
            port.protocol = TCP


def _check(policy: NetworkPolicy, report: Report) -> None:
    """Check a policy."""
    spec = policy.spec
    check_label_selector(spec.pod_selector, "spec.podSelector", report)
    for index, ingress in enumerate(spec.ingress):
        _check_ports(ingress.ports, f"spec.ingress[{index}].ports", report)
        _check_peers(getattr(ingress, "from"), f"spec.ingress[{index}].from", report)
    for index, egress in enumerate(spec.egress):
        _check_ports(egress.ports, f"spec.egress[{index}].ports", report)
        _check_peers(egress.to, f"spec.egress[{index}].to", report)
    if len(spec.policy_types) > _TYPES_MAX:
        found = len(spec.policy_types)
        report.add("spec.policyTypes", f"must be at most {_TYPES_MAX}, are {found}")
    else:
        for index, type_ in enumerate(spec.policy_types):
            report.one_of(f"spec.policyTypes[{index}]", type_, (_INGRESS, _EGRESS))


def _check_ports(ports: Iterable[NetworkPolicyPort], field: str, report: Report) -> None:
    for index, port in enumerate(ports):
        path = f"{field}[{index}]"
        report.one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
        if port.HasField("port"):
            check_port(port.port, f"{path}.port", report)
        if not port.HasField("end_port"):
            continue
        if not port.HasField("port"):
            report.add(f"{path}.endPort", "must not be set without port, where the range begins")
        elif is_named(port.port):
            report.add(f"{path}.endPort", "must not be set when port is a name")
        else:
            report.between(f"{path}.endPort", port.end_port, max(port.port.int_val, 1), 65535)


def _check_peers(peers: Iterable[NetworkPolicyPeer], field: str, report: Report) -> None:
    for index, peer in enumerate(peers):
        path = f"{field}[{index}]"
        has_selector = peer.HasField("pod_selector") or peer.HasField("namespace_selector")
        if peer.HasField("ip_block"):
            if has_selector:
                report.add(path, "must have either an ipBlock or selectors, not both")
            _check_block(peer.ip_block, f"{path}.ipBlock", report)
        elif not has_selector:
            report.add(path, "must have a podSelector, a namespaceSelector or an ipBlock")
        check_label_selector(peer.pod_selector, f"{path}.podSelector", report)
        check_label_selector(peer.namespace_selector, f"{path}.namespaceSelector", report)


def _check_block(block: IPBlock, field: str, report: Report) -> None:
    if not block.cidr:
        report.required(f"{field}.cidr")
        return
    whole = _range(block.cidr, f"{field}.cidr", report)
    for index, text in enumerate(getattr(block, "except")):
        part = _range(text, f"{field}.except[{index}]", report)
        if whole is not None and part is not None and not _is_inside(part, whole):
            what = f"must be inside of cidr ({block.cidr}) and smaller, is {shown(text)}"
            report.add(f"{field}.except[{index}]", what)


def _range(
    text: str, field: str, report: Report
) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    found = range_of(text)
    if found is None:
        report.add(field, f"expected a range such as 10.0.0.0/8, got {shown(text)}")
    return found


def _is_inside(
    part: ipaddress.IPv4Network | ipaddress.IPv6Network,
    whole: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> bool:
    if part.prefixlen <= whole.prefixlen or part.version != whole.version:
        return False
    return part.supernet(new_prefix=whole.prefixlen) == whole


RULES: Final[Rules[NetworkPolicy]] = Rules(default=_default, check=_check)
