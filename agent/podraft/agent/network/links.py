"""Links, addresses and routes of the node and its pods, by way of pyroute2.

Invariant: one `NodeLinks` is used by one thread only, in the node's network namespace.
Only interfaces whose name begins with our prefix and routes with our protocol number
are changed or removed; sysctls are written in the namespace of the calling thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from podraft.agent.network import namespaces
from podraft.agent.network.core import layout
from podraft.agent.network.core.errors import InvalidNetworkError, KernelError
from podraft.agent.network.core.layout import NodeFacts, PodLink

DEFAULT_MTU = 1500
_SCOPE_LINK = 253
_IFF_LOOPBACK = 8
_ACTIVATION_LOOKS_MAX = 20
_ACTIVATION_PAUSE_S = 0.002
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


class NodeLinks:
    """The node's open netlink socket and the operations on it."""

    def __init__(self) -> None:
        self._route = IPRoute()

    def close(self) -> None:
        """Close the socket; links and routes remain."""
        self._route.close()

    def node_mtu(self, address: IPv4Address) -> int:
        """Return the MTU of the interface that has the node's address.

        Raises:
            InvalidNetworkError: No interface has it.
        """
        for found in self._route.get_addr(family=socket.AF_INET, address=str(address)):
            (link,) = self._route.get_links(found["index"])
            mtu = int(link.get("mtu") or DEFAULT_MTU)
            # Loopback's packets of 64 KiB could not leave the machine.
            return min(mtu, DEFAULT_MTU) if link["flags"] & _IFF_LOOPBACK else mtu
        raise InvalidNetworkError(f"no interface of this node has its address {address}")

    def prepare_node(self, facts: NodeFacts) -> None:
        """Make the node forward packets, and answer at once for pod addresses that nobody has."""
        write_sysctl("net/ipv4/ip_forward", "1")
        with _kernel_errors("cannot bring up the loopback interface"):
            self._route.link("set", index=socket.if_nametoindex("lo"), state="up")
        with _kernel_errors(f"cannot route {facts.pod_network}"):
            self._route.route(
                "replace",
                dst=str(facts.pod_network),
                type="unreachable",
                proto=layout.ROUTE_PROTOCOL,
            )

    def wire(self, facts: NodeFacts, pod: PodLink, net_path: Path) -> None:
        """Connect a pod's network namespace, replacing what an earlier attempt left."""
        self.unwire(pod.pod_uid)
        name = pod.interface
        descriptor = os.open(net_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with _kernel_errors(f"cannot make the link {name}"):
                self._route.link(
                    "add",
                    ifname=name,
                    kind="veth",
                    mtu=facts.mtu,
                    ifalias=pod.pod_uid,
                    peer={
                        "ifname": layout.POD_INTERFACE,
                        "net_ns_fd": descriptor,
                        "mtu": facts.mtu,
                    },
                )
        finally:
            os.close(descriptor)
        # A pod must not send with an address that is not its own.
        write_sysctl(f"net/ipv4/conf/{name}/rp_filter", "1")
        index = socket.if_nametoindex(name)
        with _kernel_errors(f"cannot set up the link {name}"):
            self._route.link("set", index=index, state="up")
            self._route.addr(
                "add", index=index, address=layout.GATEWAY, prefixlen=32, scope=_SCOPE_LINK
            )
        namespaces.in_network_namespace(net_path, lambda: _set_up_inside(pod.address))
        self._await_transmission(index)
        self.route_pod(facts, pod)

    def _await_transmission(self, index: int) -> None:
        """Wait until the link transmits packets.

        The end that was up first drops packets until the kernel has noticed its peer, which
        happens in the background, up to a second later. Since Linux 6.8, asking for the link
        makes the kernel notice; on older kernels the first packets may be lost and are sent again.
        """
        for _ in range(_ACTIVATION_LOOKS_MAX):
            with _kernel_errors("cannot look at a pod's link"):
                (link,) = self._route.link("get", index=index)
            if link.get("operstate") == "UP":
                return
            time.sleep(_ACTIVATION_PAUSE_S)

    def route_pod(self, facts: NodeFacts, pod: PodLink) -> None:
        """Route a pod's address to its link, with the node's address as the preferred source."""
        with _kernel_errors(f"cannot route {pod.address}"):
            self._route.route(
                "replace",
                dst=f"{pod.address}/32",
                oif=socket.if_nametoindex(pod.interface),
                scope=_SCOPE_LINK,
                prefsrc=str(facts.address),
                proto=layout.ROUTE_PROTOCOL,
            )

    def reaches(self, address: IPv4Address) -> bool:
        """Return whether the node has a route to an address."""
        try:
            self._route.route("get", dst=str(address))
        except NetlinkError as error:
            if error.code in _UNREACHABLE:
                return False
            raise _kernel_error(f"cannot look up the route to {address}", error) from None
        return True

    def route_to_services(self, network: IPv4Network, source: IPv4Address) -> None:
        """Route a network so that the node can send to addresses that nf_tables translates.

        Without any route, sending fails before there is a packet to translate.
        """
        with _kernel_errors(f"cannot route {network}"):
            self._route.route(
                "replace",
                dst=str(network),
                oif=socket.if_nametoindex("lo"),
                scope=_SCOPE_LINK,
                prefsrc=str(source),
                proto=layout.ROUTE_PROTOCOL,
            )

    def unroute_pod(self, pod: PodLink) -> None:
        """Stop routing a pod's address, so that its peers learn at once that it is gone."""
        try:
            index = socket.if_nametoindex(pod.interface)
            self._route.route(
                "del",
                dst=f"{pod.address}/32",
                oif=index,
                scope=_SCOPE_LINK,
                proto=layout.ROUTE_PROTOCOL,
            )
        except OSError:
            return  # The link has gone, and its route with it.
        except NetlinkError as error:
            if error.code not in (errno.ESRCH, errno.ENODEV):
                raise _kernel_error(f"cannot unroute {pod.address}", error) from None

    def unwire(self, pod_uid: str) -> None:
        """Remove a pod's link, and its route with it; idempotent.

        Blocks for about 30 ms, during which the kernel changes no link.
        """
        try:
            index = socket.if_nametoindex(layout.interface_name(pod_uid))
        except OSError:
            return
        try:
            self._route.link("del", index=index)
        except NetlinkError as error:
            if error.code not in (errno.ENODEV, errno.ENOENT):
                raise _kernel_error(f"cannot remove the link of pod {pod_uid}", error) from None

    def exists(self, pod: PodLink) -> bool:
        """Return whether the node's end of a pod's link exists."""
        try:
            socket.if_nametoindex(pod.interface)
        except OSError:
            return False
        return True


def write_sysctl(name: str, value: str) -> None:
    """Set a sysctl in the calling thread's network namespace, if it differs."""
    path = Path("/proc/sys", name)
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except OSError as error:
        raise KernelError(f"cannot set {name} to {value}", error.errno or 0, str(error)) from None


def _set_up_inside(address: IPv4Address) -> None:
    """Give the pod its address and its default route; runs in the pod's namespace."""
    # A container's user may bind port 80 and ping: the namespace belongs to the pod.
    write_sysctl("net/ipv4/ip_unprivileged_port_start", "0")
    Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")
    index = socket.if_nametoindex(layout.POD_INTERFACE)
    with (
        _kernel_errors(f"cannot set up the network of the pod with address {address}"),
        IPRoute() as route,
    ):
        route.link("set", index=socket.if_nametoindex("lo"), state="up")
        route.link("set", index=index, state="up")
        route.addr("add", index=index, address=str(address), prefixlen=32)
        route.route("add", dst=f"{layout.GATEWAY}/32", oif=index, scope=_SCOPE_LINK)
        route.route("add", dst="default", gateway=layout.GATEWAY, oif=index)


@contextlib.contextmanager
def _kernel_errors(what: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise _kernel_error(what, error) from None
    except OSError as error:
        raise KernelError(what, error.errno or 0, str(error)) from None


def _kernel_error(what: str, error: NetlinkError) -> KernelError:
    return KernelError(what, error.code, os.strerror(error.code))
