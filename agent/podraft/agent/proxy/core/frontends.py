"""The frontends and endpoints of one service.

Invariant: the result depends on the service and its slices alone, in any order; equal inputs
give equal outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple

from podraft.api.core.v1.service_pb2 import Service, ServicePort
from podraft.api.discovery.v1.endpoint_slice_pb2 import Endpoint as SliceEndpoint
from podraft.api.discovery.v1.endpoint_slice_pb2 import EndpointSlice
from podraft.api.objects import well_known
from podraft.api.objects.endpoints import is_draining, is_ready

TCP, UDP, SCTP = 6, 17, 132
_PROTOCOLS = {"": TCP, "TCP": TCP, "UDP": UDP, "SCTP": SCTP}
_NODE_PORT_TYPES = ("NodePort", "LoadBalancer")


class ServiceKey(NamedTuple):
    """A service's namespace and name."""

    namespace: str
    name: str


class Frontend(NamedTuple):
    """The place where clients connect: a cluster address, or any of the node's own (None)."""

    address: IPv4Address | None
    protocol: int
    port: int


class Endpoint(NamedTuple):
    """The place where a connection is answered."""

    address: IPv4Address
    port: int


# A frontend without endpoints rejects connections.
Frontends = Mapping[Frontend, frozenset[Endpoint]]

NOTHING: Frontends = {}


def service_key(service: Service) -> ServiceKey:
    """Return the key of a service."""
    return ServiceKey(service.metadata.namespace, service.metadata.name)


def slice_owner(endpoint_slice: EndpointSlice) -> ServiceKey | None:
    """Return the service that a slice belongs to, by its label."""
    name = endpoint_slice.metadata.labels.get(well_known.SERVICE_NAME_LABEL, "")
    return ServiceKey(endpoint_slice.metadata.namespace, name) if name else None


def frontends_of(service: Service | None, slices: Iterable[EndpointSlice]) -> Frontends:
    """Return all frontends of a service with the endpoints that new connections go to.

    Headless services and those of type ExternalName have none: their names resolve to something
    other than an address of ours.
    """
    if service is None or service.spec.type == "ExternalName":
        return NOTHING
    addresses = _cluster_addresses(service)
    if not addresses:
        return NOTHING
    known = list(slices)
    found: dict[Frontend, frozenset[Endpoint]] = {}
    for port in service.spec.ports:
        protocol = _PROTOCOLS.get(port.protocol)
        if protocol is None or not 0 < port.port < 1 << 16:
            continue  # Admission refuses these; an unknown protocol must not stop the others.
        endpoints = _endpoints_of(service, port, protocol, known)
        for address in addresses:
            found[Frontend(address, protocol, port.port)] = endpoints
        if port.node_port and service.spec.type in _NODE_PORT_TYPES:
            found[Frontend(None, protocol, port.node_port)] = endpoints
    return found


def _cluster_addresses(service: Service) -> list[IPv4Address]:
    candidates = list(service.spec.cluster_ips) or [service.spec.cluster_ip]
    return list(dict.fromkeys(a for text in candidates if (a := _ipv4(text)) is not None))


def _endpoints_of(
    service: Service, port: ServicePort, protocol: int, slices: Iterable[EndpointSlice]
) -> frozenset[Endpoint]:
    """Return the ready endpoints or, if there are none, those that still serve.

    A pod that is being deleted may be the last that can answer: it gets connections only as long
    as there is no other.
    """
    ready: set[Endpoint] = set()
    draining: set[Endpoint] = set()
    tolerant = service.spec.publish_not_ready_addresses
    for endpoint_slice in slices:
        if endpoint_slice.address_type not in ("", "IPv4"):
            continue
        for number in _port_numbers(endpoint_slice, port, protocol):
            for endpoint in endpoint_slice.endpoints:
                if (is_ready(endpoint) and not endpoint.conditions.terminating) or tolerant:
                    ready.update(_at(endpoint, number))
                elif is_draining(endpoint):
                    draining.update(_at(endpoint, number))
    return frozenset(ready or draining)


def _port_numbers(endpoint_slice: EndpointSlice, port: ServicePort, protocol: int) -> Iterator[int]:
    """Yield the slice's numbers for a port of the service: those of the port with the same name."""
    for candidate in endpoint_slice.ports:
        if candidate.name != port.name or _PROTOCOLS.get(candidate.protocol) != protocol:
            continue
        if 0 < candidate.port < 1 << 16:
            yield candidate.port


def _at(endpoint: SliceEndpoint, port: int) -> Iterator[Endpoint]:
    # Several addresses of one endpoint are the same pod's: only the first is used.
    address = _ipv4(endpoint.addresses[0]) if endpoint.addresses else None
    if address is not None:
        yield Endpoint(address, port)


def _ipv4(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None
