"""The decisions about pod address ranges: each node gets a part of the cluster's range.

Owns: ``spec.podCIDR`` of nodes.  One plan serves all nodes, so that no two nodes are ever
given the same range.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from podraft.api.core.v1 import node_pb2
from podraft.api.kinds import NODE
from podraft.api.moments import Now
from podraft.api.objects.deletion import is_deleting
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.plan import Happening, Plan, Snapshot

# All nodes have one key.
KEY = "nodes"
WRITES_MAX = 500


@dataclass(frozen=True, slots=True)
class Options:
    """The cluster's range of pod addresses, and how it is divided."""

    cluster: ipaddress.IPv4Network
    node_prefix: int = 24


def plan(snapshot: Snapshot, key: str, now: Now, options: Options) -> Plan:
    """Give every node without a range the lowest free one."""
    nodes = snapshot.list(NODE)
    waiting = [
        node
        for node in objects.oldest_first(nodes)
        if not node.spec.pod_cidr and not is_deleting(node.metadata)
    ]
    if not waiting:
        return Plan()
    free = _free({node.spec.pod_cidr for node in nodes}, options)
    planned, events = [], []
    for node in waiting[:WRITES_MAX]:
        pod_cidr = next(free, None)
        if pod_cidr is None:
            events.append(_exhausted(node, options))
            break
        spec = {"spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]}}
        planned.append(
            writes.patch(
                NODE,
                node.metadata.name,
                spec,
                uid=node.metadata.uid,
                resource_version=node.metadata.resource_version,
            )
        )
    return Plan(tuple(planned), tuple(events))


def _free(taken: set[str], options: Options) -> Iterator[str]:
    """Yield the ranges that overlap no taken one, whatever the size of those."""
    used = [network for text in taken if (network := _network(text)) is not None]
    for candidate in options.cluster.subnets(new_prefix=options.node_prefix):
        if str(candidate) not in taken and not any(candidate.overlaps(other) for other in used):
            yield str(candidate)


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def _exhausted(node: node_pb2.Node, options: Options) -> Happening:
    note = f"No /{options.node_prefix} of {options.cluster} is left for this node's pods"
    return Happening(node, "Warning", "CIDRNotAvailable", note)
