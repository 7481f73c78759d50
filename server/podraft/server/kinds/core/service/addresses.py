"""Addresses and node ports of services: which ones a write claims and releases.

Owns: the choice of a free address or port, and the keys that claim them.  The
claims are written in the service's own transaction, each guarded at what was
read, so two services can never hold the same one.  Whether another service holds
what a service asks for is seen at the end of the transaction, not here.

Invariant: the choice is deterministic: from ``start`` on, upwards, around once.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from podraft.api.core.v1 import service_pb2
from podraft.api.objects.ports import protocol_of
from podraft.api.violations import shown
from podraft.server.kinds.core.service.spec import HEADLESS
from podraft.server.kinds.hooks import Assignment, Choice, Claims
from podraft.server.kinds.report import Report

_ADDRESSES: Final = b"_addresses/"
_NODE_PORTS: Final = b"_nodeports/"
# The first addresses of a large range are left to services that ask for a certain one.
RESERVED_FOR_CHOICE = 16
# A range this full is as good as exhausted; a longer search would hold up every other write.
PROBES_MAX = 65_536


def address_key(address: str) -> bytes:
    """Return the key that claims a cluster address."""
    return _ADDRESSES + address.encode()


def node_port_key(port: int, protocol: str) -> bytes:
    """Return the key that claims a node port; each protocol has its own ports."""
    return _NODE_PORTS + f"{port}/{protocol}".encode()


def claimed_keys(service: service_pb2.Service) -> tuple[bytes, ...]:
    """Return the keys that a stored service holds; deleting it releases them."""
    spec = service.spec
    keys = []
    if spec.cluster_ip and spec.cluster_ip != HEADLESS:
        keys.append(address_key(spec.cluster_ip))
    keys += [node_port_key(p.node_port, p.protocol) for p in spec.ports if p.node_port]
    return tuple(keys)


def asked_keys(service: service_pb2.Service) -> tuple[bytes, ...]:
    """Return the keys that a service asks for itself, whether admitted or not."""
    spec = service.spec
    address = spec.cluster_ip or (spec.cluster_ips[0] if spec.cluster_ips else "")
    keys = [] if address in ("", HEADLESS) else [address_key(address)]
    keys += [
        node_port_key(port.node_port, protocol_of(port)) for port in spec.ports if port.node_port
    ]
    return tuple(keys)


def field_of_key(service: service_pb2.Service, key: bytes) -> str:
    """Return the field of a service that holds what ``key`` claims."""
    for index, port in enumerate(service.spec.ports):
        if port.node_port and node_port_key(port.node_port, port.protocol) == key:
            return f"spec.ports[{index}].nodePort"
    return "spec.clusterIP"


def assign(
    service: service_pb2.Service, stored: service_pb2.Service | None, choice: Choice
) -> Assignment[service_pb2.Service]:
    """Return ``service``, admitted before, with an address and node ports where it needs them.

    It may keep what ``stored`` holds already, and it claims what it asks for: only the end of the
    transaction shows whether another service holds that.

    Raises:
        InvalidObjectError: A chosen one is out of range, or the range is exhausted.
    """
    held = frozenset(claimed_keys(stored)) if stored is not None else frozenset[bytes]()
    chosen: set[bytes] = set()

    def is_free(key: bytes) -> bool:
        return key not in chosen and (key in held or not choice.is_taken(key))

    result, ranges, report = service_pb2.Service(), choice.ranges, Report()
    result.CopyFrom(service)
    _assign_address(result.spec, ranges.service_cidr, is_free, chosen, choice.start, report)
    if result.spec.type == "NodePort":
        _assign_node_ports(result.spec, ranges.node_ports, is_free, chosen, choice.start, report)
    report.raise_if_any()
    return Assignment(
        object=result,
        claim=tuple(sorted(chosen - held)),
        release=tuple(sorted(held - chosen)),
    )


def _assign_address(
    spec: service_pb2.ServiceSpec,
    service_cidr: str,
    is_free: Callable[[bytes], bool],
    chosen: set[bytes],
    start: int,
    report: Report,
) -> None:
    if spec.cluster_ip != HEADLESS:
        if spec.cluster_ip:
            _check_chosen_address(spec.cluster_ip, service_cidr, report)
        else:
            free = _free_address(service_cidr, is_free, start)
            if free is None:
                report.add("spec.clusterIP", f"no address is free in {service_cidr}")
                return
            spec.cluster_ip = free
        chosen.add(address_key(spec.cluster_ip))
    spec.ClearField("cluster_ips")
    spec.cluster_ips.append(spec.cluster_ip)


def _check_chosen_address(address: str, service_cidr: str, report: Report) -> None:
    network = _network(service_cidr)
    usable = range(1, network.num_addresses - 1)
    if int(ipaddress.IPv4Address(address)) - int(network.network_address) not in usable:
        low, high = network.network_address + 1, network.broadcast_address - 1
        report.add("spec.clusterIP", f"must be in {low} to {high}, is {shown(address)}")


def _free_address(service_cidr: str, is_free: Callable[[bytes], bool], start: int) -> str | None:
    network = _network(service_cidr)
    base, size = int(network.network_address), network.num_addresses
    first = RESERVED_FOR_CHOICE if size >= 16 * RESERVED_FOR_CHOICE else 1
    for offset in _probe(range(first, size - 1), start):
        address = str(ipaddress.IPv4Address(base + offset))
        if is_free(address_key(address)):
            return address
    return None


@lru_cache(maxsize=16)
def _network(service_cidr: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(service_cidr)


def _assign_node_ports(
    spec: service_pb2.ServiceSpec,
    node_port_range: range,
    is_free: Callable[[bytes], bool],
    chosen: set[bytes],
    start: int,
    report: Report,
) -> None:
    """Settle the requested ports first, so that none of them is given away."""
    low, high = node_port_range[0], node_port_range[-1]
    for index, port in enumerate(spec.ports):
        if not port.node_port:
            continue
        field, key = f"spec.ports[{index}].nodePort", node_port_key(port.node_port, port.protocol)
        if port.node_port not in node_port_range:
            report.add(field, f"must be {low} to {high}, is {port.node_port}")
        elif key in chosen:
            report.add(field, f"duplicate: {port.node_port}/{port.protocol} is listed already")
        chosen.add(key)
    for index, port in enumerate(spec.ports):
        if port.node_port:
            continue
        for number in _probe(node_port_range, start):
            key = node_port_key(number, port.protocol)
            if is_free(key):
                port.node_port = number
                chosen.add(key)
                break
        else:
            report.add(f"spec.ports[{index}].nodePort", f"no port is free in {low} to {high}")


def _probe(candidates: range, start: int) -> Iterator[int]:
    size = len(candidates)
    for step in range(min(size, PROBES_MAX)):
        yield candidates[(start + step) % size]


CLAIMS: Final[Claims[service_pb2.Service]] = Claims(
    prefixes=(_ADDRESSES, _NODE_PORTS),
    held=claimed_keys,
    field_of=field_of_key,
    asked=asked_keys,
    assign=assign,
)
