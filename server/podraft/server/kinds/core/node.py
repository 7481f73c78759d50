"""Nodes: the range of their pods' addresses, taints, and what a machine says of itself.

Owns: the rule that a machine whose node is deleted is that node no more.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from podraft.api import names
from podraft.api.core.v1.node_pb2 import Node, NodeAddress, Taint
from podraft.api.objects.taints import EFFECTS
from podraft.api.violations import shown
from podraft.server.auth import node_records
from podraft.server.auth.node_records import NodeRecord
from podraft.server.kinds.hooks import Companion
from podraft.server.kinds.report import Report, is_ipv4
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.amounts import NODE_RESOURCES, check_amounts
from podraft.server.kinds.shared.conditions import (
    WORD_MAX,
    check_conditions,
    check_length,
    check_time,
    has_at_most,
)

TAINTS_MAX: Final = 256
ADDRESSES_MAX: Final = 32
AMOUNTS_MAX: Final = 64
_IP_TYPES: Final = ("InternalIP", "ExternalIP")
_NAME_TYPES: Final = ("Hostname", "InternalDNS", "ExternalDNS")


def _default(node: Node) -> None:
    """Fill in ``podCIDR`` and ``podCIDRs`` from each other."""
    spec = node.spec
    if spec.pod_cidr and not spec.pod_cidrs:
        spec.pod_cidrs.append(spec.pod_cidr)
    elif spec.pod_cidrs and not spec.pod_cidr:
        spec.pod_cidr = spec.pod_cidrs[0]


def _check(node: Node, report: Report) -> None:
    """Check a Node."""
    spec = node.spec
    if spec.pod_cidr:
        _check_network(spec.pod_cidr, "spec.podCIDR", report)
    if len(spec.pod_cidrs) > 1:
        report.add("spec.podCIDRs", "must be a single range: only IPv4 is supported")
    elif spec.pod_cidrs and spec.pod_cidrs[0] != spec.pod_cidr:
        report.add("spec.podCIDRs[0]", f"must equal spec.podCIDR ({spec.pod_cidr})")
    if spec.taints:
        _check_taints(spec.taints, report)
    _check_status(node, report)


def _check_network(value: str, field: str, report: Report) -> None:
    try:
        is_range = str(ipaddress.IPv4Network(value)) == value
    except ValueError:
        is_range = False
    if not is_range:
        report.add(field, f"expected an IPv4 range such as 10.244.1.0/24, got {shown(value)}")


def _check_taints(taints: Iterable[Taint], report: Report) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path = f"spec.taints[{index}]"
        report.name(f"{path}.key", taint.key, names.qualified(taint.key))
        if (problem := names.label_value(taint.value)) is not None:
            report.add(f"{path}.value", f"{shown(taint.value)} {problem}")
        report.one_of(f"{path}.effect", taint.effect, EFFECTS)
        if (taint.key, taint.effect) in seen:
            report.add(path, f"duplicate: {taint.key}:{taint.effect} is listed already")
        seen.add((taint.key, taint.effect))
    if len(seen) > TAINTS_MAX:
        report.add("spec.taints", f"must be at most {TAINTS_MAX}, are {len(seen)}")


def _keep(stored: Node, node: Node) -> None:
    """Keep the range if an update does not mention it."""
    if stored.spec.pod_cidr and not node.spec.pod_cidr and not node.spec.pod_cidrs:
        node.spec.pod_cidr = stored.spec.pod_cidr


def _check_change(stored: Node, node: Node, report: Report) -> None:
    """Check that a node keeps the addresses of its pods."""
    before = stored.spec.pod_cidr
    if before and node.spec.pod_cidr != before:
        report.add("spec.podCIDR", f"cannot be changed: it is {before}")


def _check_status(node: Node, report: Report) -> None:
    """Check the status that a node writes of itself."""
    status = node.status
    for field, amounts in (("capacity", status.capacity), ("allocatable", status.allocatable)):
        path = f"status.{field}"
        if has_at_most(AMOUNTS_MAX, amounts, path, report):
            check_amounts(amounts, path, report, NODE_RESOURCES)
    check_conditions(status.conditions, report, short=False)
    for index, condition in enumerate(status.conditions):
        path = f"status.conditions[{index}].lastHeartbeatTime"
        check_time(condition.last_heartbeat_time, path, report)
    if has_at_most(ADDRESSES_MAX, status.addresses, "status.addresses", report):
        for index, address in enumerate(status.addresses):
            _check_address(address, f"status.addresses[{index}]", report)
    port = status.daemon_endpoints.kubelet_endpoint.port
    report.between("status.daemonEndpoints.kubeletEndpoint.Port", port, 0, 65535)
    for described, value in status.node_info.ListFields():
        if isinstance(value, str):
            check_length(value, WORD_MAX, f"status.nodeInfo.{described.json_name}", report)


def _check_address(address: NodeAddress, field: str, report: Report) -> None:
    value = address.address
    if address.type in _NAME_TYPES:
        report.name(f"{field}.address", value, names.dns_subdomain(value.lower()))
    elif address.type not in _IP_TYPES:
        report.one_of(f"{field}.type", address.type, (*_IP_TYPES, *_NAME_TYPES))
    elif not is_ipv4(value):
        report.add(f"{field}.address", f"expected an IPv4 address, got {shown(value)}")


def _record_key(_: str, name: str) -> bytes:
    return node_records.key_of(name)


def _left(now: datetime) -> bytes:
    """Return the record that keeps every machine from being the node until one joins anew."""
    return node_records.removed(now.timestamp()).encode()


def _is_joined(record: bytes) -> bool:
    """Return whether a machine has joined under a name and can be expelled without a Node."""
    return bool(NodeRecord.decode(record).key)


# The record ends at once, whatever finalizers hold the node back: the machine's certificates
# end with it.
_RECORD: Final = Companion(_record_key, ends_when_asked=True, left=_left, is_alone=_is_joined)

# An agent creates its node together with the node's status.
RULES: Final[Rules[Node]] = Rules(
    keep=_keep,
    default=_default,
    check=_check,
    check_change=_check_change,
    check_status=_check_status,
    status_at_creation=True,
    companions=(_RECORD,),
)
