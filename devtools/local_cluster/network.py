"""The network namespace that stands for the cluster's machine.

The namespace has an address of its own and a default route to nowhere: without a
route, packets for a service's address do not reach nftables' output hook.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path

from pyroute2 import IPRoute, netns

NODE_ADDRESS = "10.250.0.2"
_GATEWAY = "10.250.0.1"
SERVERS_MAX = 5


def server_address(index: int) -> str:
    """Return the address of server number ``index``, from 0; the first has the node's address."""
    return NODE_ADDRESS if index == 0 else f"10.250.0.{10 + index}"


def free_ports(count: int) -> list[int]:
    """Return loopback ports on which nobody listens at present."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def create(name: str) -> None:
    """Make the namespace; keep an existing one as it is."""
    if name in netns.listnetns():
        return
    netns.create(name)
    try:
        _configure(name)
    except BaseException:
        netns.remove(name)
        raise


def _configure(name: str) -> None:
    with IPRoute(netns=name) as route:
        route.link("set", index=route.link_lookup(ifname="lo")[0], state="up")
        # Both ends stay inside: the host's network is not touched.
        route.link("add", ifname="node0", kind="veth", peer="uplink0")
        uplink, node = (route.link_lookup(ifname=n)[0] for n in ("uplink0", "node0"))
        for index in (uplink, node):
            route.link("set", index=index, state="up")
        for number in range(SERVERS_MAX):
            route.addr("add", index=node, address=server_address(number), prefixlen=24)
        route.neigh("replace", ifindex=node, dst=_GATEWAY, lladdr="02:00:00:00:00:01", state=0x80)
        route.route("add", dst="default", gateway=_GATEWAY)


def attach_host(name: str) -> Path:
    """Give the host's own network namespace a name, too; return the path of that name."""
    path = Path("/run/netns", name)
    if name not in netns.listnetns():
        subprocess.run(["ip", "netns", "attach", name, str(os.getpid())], check=True)
    return path


def remove(name: str) -> None:
    """Remove the name; the namespace vanishes with its contents when no process holds it."""
    if Path("/run/netns", name).exists():
        netns.remove(name)
