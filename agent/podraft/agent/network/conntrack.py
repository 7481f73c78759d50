"""Forgetting UDP flows whose translation is out of date, by way of pyroute2.

The kernel remembers where it sent a flow and looks no rule up again as long as packets
come.  A TCP connection ends with its endpoint; a UDP flow would go on into the void.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from pyroute2 import Conntrack
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow: where its sender sends it, and who answers."""

    destination: IPv4Address
    port: int
    answered_by: IPv4Address
    answering_port: int


def forget_udp_flows(is_stale: Callable[[Flow], bool]) -> int:
    """Remove the flows that are stale and return how many they were.

    Blocks for about 0.5 ms for each UDP flow that the node tracks.
    """
    count = 0
    with contextlib.closing(Conntrack()) as conntrack:
        entries = conntrack.dump_entries(tuple_orig=NFCTAttrTuple(proto=socket.IPPROTO_UDP))
        for entry in list(entries):
            flow = _flow(entry)
            if flow is None or not is_stale(flow):
                continue
            with contextlib.suppress(NetlinkError):  # It ended meanwhile.
                conntrack.delete(entry)
                count += 1
    return count


def _flow(entry: Any) -> Flow | None:
    original, reply = entry.tuple_orig, entry.tuple_reply
    try:
        return Flow(
            destination=IPv4Address(original.daddr),
            port=original.dport,
            answered_by=IPv4Address(reply.saddr),
            answering_port=reply.sport,
        )
    except AddressValueError:
        return None  # An IPv6 flow, which is none of ours.
