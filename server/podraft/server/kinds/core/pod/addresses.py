"""The addresses that a pod can have: of the network given to its node, or its node's own.

Owns: the rule, both for writes of a pod's status and for making endpoints of it.

Invariant: no status turns somebody else's address (another node's pod, a machine, the
node's own loopback, a Service) into an endpoint.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

from podraft.api import kinds
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod, PodStatus
from podraft.api.objects import nodes
from podraft.api.violations import shown
from podraft.server.kinds.hooks import AddressRanges, Neighbour, Neighbours
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.addresses import is_address, problem


class _Address(Protocol):
    """An element of a status's lists of addresses."""

    ip: str


def check_addresses(status: PodStatus, report: Report) -> None:
    """Check the addresses of a status without looking at other objects."""
    pod_ip, host_ip = status.pod_ip, status.host_ip
    if pod_ip and (found := problem(pod_ip)) is not None:
        report.add("status.podIP", f"{shown(pod_ip)} {found}")
    if _are_others(status.pod_ips, pod_ip):
        report.add("status.podIPs", "must hold status.podIP and nothing else: only IPv4 is given")
    if host_ip and not is_address(host_ip):
        report.add("status.hostIP", f"expected an IPv4 address, got {shown(host_ip)}")
    if _are_others(status.host_ips, host_ip):
        report.add("status.hostIPs", "must hold status.hostIP and nothing else")


def _are_others(addresses: Sequence[_Address], address: str) -> bool:
    return bool(addresses) and (len(addresses) != 1 or addresses[0].ip != address)


def _node_of(stored: Pod | None, pod: Pod) -> tuple[Neighbour, ...]:
    """Return the node that must give a new address; none where the address stays or goes."""
    address = pod.status.pod_ip
    if stored is None or not address or address == stored.status.pod_ip:
        return ()
    return (Neighbour(kinds.NODE, "", pod.spec.node_name),)


def _check_place(
    pod: Pod, found: tuple[Node | None, ...], ranges: AddressRanges, report: Report
) -> None:
    address, field, node = pod.status.pod_ip, "status.podIP", found[0]
    if node is None:
        report.add(field, "must be empty: the pod is on no node that is known")
    elif _is_in(address, ranges.service_cidr):
        cidr = ranges.service_cidr
        report.add(field, f"{shown(address)} is in {cidr}, which belongs to Services")
    elif pod.spec.host_network:
        own = nodes.addresses(node, nodes.INTERNAL_IP)
        if address not in own:
            has = f"has {', '.join(own)}" if own else "says none"
            report.add(field, f"must be the node's own in the host's network: it {has}")
    elif not node.spec.pod_cidr:
        report.add(field, f"must be empty: node {node.metadata.name} has no range of addresses yet")
    elif not _is_in(address, node.spec.pod_cidr):
        name, cidr = node.metadata.name, node.spec.pod_cidr
        report.add(field, f"must be in {cidr}, the range of node {name}, is {shown(address)}")


# With a guard, every heartbeat of the node could refuse its pods' statuses, and the range of a
# node never changes.
PLACE: Final[Neighbours[Pod]] = Neighbours(_node_of, _check_place, guarded=False)


def is_usable(pod: Pod, node: Node | None) -> bool:
    """Return whether traffic may be sent to the address that a pod's status holds.

    An unknown node, or one without a range yet, does not forbid it: the address was
    checked when it was written.
    """
    address = pod.status.pod_ip
    if problem(address) is not None:
        return False
    if node is None:
        return True
    if pod.spec.host_network:
        return address in nodes.addresses(node, nodes.INTERNAL_IP)
    return not node.spec.pod_cidr or _is_in(address, node.spec.pod_cidr)


@lru_cache(maxsize=16_384)
def _is_in(address: str, cidr: str) -> bool:
    try:
        return ipaddress.IPv4Address(address) in ipaddress.IPv4Network(cidr)
    except ValueError:
        return False
