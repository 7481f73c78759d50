"""Forgetting tracked flows whose translation is out of date, by way of pyroute2.

The kernel remembers where it sent a flow and looks up no rule again as long as packets come.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from pyroute2 import Conntrack, IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from podraft.agent.network.core.errors import KernelError


@dataclass(frozen=True, slots=True)
class TrackedFlow:
    """A flow: its protocol's number, the sender's destination, and the address that answers."""

    protocol: int
    destination: IPv4Address
    port: int
    answered_by: IPv4Address
    answering_port: int


def forget_flows(protocols: Iterable[int], is_stale: Callable[[TrackedFlow], bool]) -> int:
    """Remove the stale flows and return how many there were.

    Blocks for about 0.5 ms for each flow of the protocols that the node tracks.

    Raises:
        KernelError: The kernel does not list or remove them.
    """
    count = 0
    with _asked("flows"), contextlib.closing(Conntrack()) as conntrack:
        for protocol in protocols:
            entries = conntrack.dump_entries(tuple_orig=NFCTAttrTuple(proto=protocol))
            for entry in list(entries):
                flow = _flow(protocol, entry)
                if flow is None or not is_stale(flow):
                    continue
                with contextlib.suppress(NetlinkError):  # The flow has ended meanwhile.
                    conntrack.delete(entry)
                    count += 1
    return count


def node_addresses() -> frozenset[IPv4Address]:
    """Return every address of the node in the calling thread's network namespace.

    Raises:
        KernelError: The kernel does not list them.
    """
    with _asked("addresses"), contextlib.closing(IPRoute()) as route:
        return frozenset(_addresses(route))


@contextlib.contextmanager
def _asked(what: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise KernelError(f"cannot read the node's {what}", error.code, str(error)) from error
    except OSError as error:
        raise KernelError(
            f"cannot read the node's {what}", error.errno or 0, error.strerror or str(error)
        ) from error


def _addresses(route: Any) -> Iterator[IPv4Address]:
    for message in route.get_addr(family=socket.AF_INET):
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        if text:
            yield IPv4Address(text)


def _flow(protocol: int, entry: Any) -> TrackedFlow | None:
    original, reply = entry.tuple_orig, entry.tuple_reply
    try:
        return TrackedFlow(
            protocol=protocol,
            destination=IPv4Address(original.daddr),
            port=original.dport,
            answered_by=IPv4Address(reply.saddr),
            answering_port=reply.sport,
        )
    except AddressValueError:
        return None  # An IPv6 flow is not ours.
