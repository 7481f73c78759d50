"""The kernel's view: the maps, and their elements for one frontend.

All services share these maps, so that the time of a change depends on its service alone:

* ``SERVICES``: cluster address, protocol, port → how many endpoints (a chain of that size);
* ``ENDPOINTS``: cluster address, protocol, port, index → endpoint;
* ``NODE_PORTS`` and ``NODE_PORT_ENDPOINTS``: the same without the address;
* ``REJECTED`` and ``REJECTED_NODE_PORTS``: frontends without endpoints;
* ``CLUSTER_ADDRESSES``: every address of a service, whatever the port;
* ``HAIRPINS``: (address, address) of each endpoint on this node, whose connections to
  itself must come back by way of the node.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TypeAlias

from podraft.agent.proxy.core.frontends import Endpoint, Frontend

Key: TypeAlias = tuple[IPv4Address | int, ...]
# The number of endpoints, an endpoint, or None (a set's element).
Value: TypeAlias = int | Endpoint | None


class Map(enum.Enum):
    """One map or set of the table; the value is its name there."""

    SERVICES = "services"
    NODE_PORTS = "node-ports"
    ENDPOINTS = "endpoints"
    NODE_PORT_ENDPOINTS = "node-port-endpoints"
    REJECTED = "rejected"
    REJECTED_NODE_PORTS = "rejected-node-ports"
    CLUSTER_ADDRESSES = "cluster-addresses"
    HAIRPINS = "hairpins"


# The maps to which several frontends can contribute the same element.
SHARED = (Map.CLUSTER_ADDRESSES, Map.HAIRPINS)

Element: TypeAlias = tuple[Map, Key]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an element, which exists."""

    map: Map
    key: Key


@dataclass(frozen=True, slots=True)
class Add:
    """Add an element, which does not exist (any more)."""

    map: Map
    key: Key
    value: Value


@dataclass(frozen=True, slots=True)
class AddBalancer:
    """Create the chain that chooses one of ``size`` endpoints, before elements lead to it."""

    node_port: bool
    size: int


Operation: TypeAlias = AddBalancer | Delete | Add


def balancer_of(frontend: Frontend, placed: Sequence[Endpoint]) -> AddBalancer | None:
    """Return the chain that a frontend needs."""
    return AddBalancer(frontend.address is None, len(placed)) if placed else None


def elements_of(
    frontend: Frontend, placed: Sequence[Endpoint], pod_network: IPv4Network
) -> Iterator[tuple[Element, Value]]:
    """Yield all elements of a frontend whose endpoints have the given indices."""
    if frontend.address is None:
        key: Key = (frontend.protocol, frontend.port)
        service, endpoints, rejected = (
            Map.NODE_PORTS,
            Map.NODE_PORT_ENDPOINTS,
            Map.REJECTED_NODE_PORTS,
        )
    else:
        key = (frontend.address, frontend.protocol, frontend.port)
        service, endpoints, rejected = Map.SERVICES, Map.ENDPOINTS, Map.REJECTED
        yield (Map.CLUSTER_ADDRESSES, (frontend.address,)), None
    if not placed:
        yield (rejected, key), None
        return
    yield (service, key), len(placed)
    for index, endpoint in enumerate(placed):
        yield (endpoints, (*key, index)), endpoint
    for address in {endpoint.address for endpoint in placed}:
        if address in pod_network:
            yield (Map.HAIRPINS, (address, address)), None


def place(previous: Sequence[Endpoint], wanted: frozenset[Endpoint]) -> tuple[Endpoint, ...]:
    """Give each endpoint an index below their number, moving as few endpoints as possible.

    Endpoints that stay keep their index unless it is now too high; the others fill the holes.
    """
    size = len(wanted)
    places: list[Endpoint | None] = [e if e in wanted else None for e in previous[:size]]
    places += [None] * (size - len(places))
    waiting = iter(sorted(wanted - set(places)))
    return tuple(next(waiting) if place is None else place for place in places)
