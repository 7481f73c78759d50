"""How a pod is attached to its node: names, the link-local gateway, who routes what.

A pod's interface is one end of a veth pair whose other end is in the node's network namespace.
There is no bridge: the node's end has the same link-local address for every pod, the pod's
default route points to it, and the node has one host route per pod. So all traffic of pods is
routed and therefore seen by nf_tables, even between two pods of a node.

Invariant: everything here follows from the pod's uid and address, so that the node's links and
routes can be checked and repaired without remembering how they came about.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from podraft.agent.network.core.errors import InvalidNetworkError

POD_INTERFACE = "eth0"
GATEWAY = "169.254.1.1"
INTERFACE_PREFIX = "pr"

# Routes with this protocol number are ours to replace and to delete (see rt_protos(5)).
ROUTE_PROTOCOL = 112

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class PodLink:
    """The node's view of one pod: which interface leads to which address."""

    pod_uid: str
    address: IPv4Address

    @property
    def interface(self) -> str:
        """The name of the node's end of the pair."""
        return interface_name(self.pod_uid)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The facts about the node that the layout depends on."""

    pod_network: IPv4Network
    address: IPv4Address
    mtu: int


def interface_name(pod_uid: str) -> str:
    """Return the name of the node's end of a pod's veth pair."""
    return INTERFACE_PREFIX + hashlib.sha256(pod_uid.encode()).hexdigest()[:8]


def check_pod_uid(pod_uid: str) -> None:
    """Raise an error if a uid cannot be the name of a folder.

    Raises:
        InvalidNetworkError: The uid cannot be used.
    """
    if not _UID.fullmatch(pod_uid):
        raise InvalidNetworkError(
            f"pod uid {pod_uid!r} is unusable; expected 1 to 63 letters, digits and '-'"
        )


def check_hostname(hostname: str) -> None:
    """Raise an error if the kernel or a resolver would not take a host name.

    Raises:
        InvalidNetworkError: The host name cannot be used.
    """
    if not _HOSTNAME.fullmatch(hostname):
        raise InvalidNetworkError(
            f"host name {hostname!r} is unusable; expected 1 to 63 letters, digits, '-' and '.'"
        )
