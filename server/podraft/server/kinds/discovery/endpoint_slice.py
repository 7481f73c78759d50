"""EndpointSlices: the addresses and ports behind a Service."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from podraft.api import names
from podraft.api.discovery.v1.endpoint_slice_pb2 import Endpoint, EndpointSlice
from podraft.api.objects.ports import PROTOCOLS, TCP
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_labels, is_ipv4
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.addresses import special
from podraft.server.kinds.shared.conditions import has_at_most

_ADDRESS_TYPES: Final = ("IPv4", "IPv6", "FQDN")
ENDPOINTS_MAX: Final = 1000
ADDRESSES_MAX: Final = 100
PORTS_MAX: Final = 100
HINTS_MAX: Final = 8
TOPOLOGY_MAX: Final = 16


def _default(endpoint_slice: EndpointSlice) -> None:
    """Fill in the fields that a port leaves out."""
    for port in endpoint_slice.ports:
        if not port.protocol:
            port.protocol = TCP
        if not port.HasField("name"):
            port.name = ""


def _check(endpoint_slice: EndpointSlice, report: Report) -> None:
    """Check an EndpointSlice."""
    address_type = endpoint_slice.address_type
    report.one_of("addressType", address_type, _ADDRESS_TYPES)
    if len(endpoint_slice.endpoints) > ENDPOINTS_MAX:
        count = len(endpoint_slice.endpoints)
        report.add("endpoints", f"must be at most {ENDPOINTS_MAX}, are {count}")
        return
    for index, endpoint in enumerate(endpoint_slice.endpoints):
        _check_place(endpoint, f"endpoints[{index}]", report)
        count = len(endpoint.addresses)
        if not 1 <= count <= ADDRESSES_MAX:
            field = f"endpoints[{index}].addresses"
            report.add(field, f"must be 1 to {ADDRESSES_MAX}, are {count}")
            continue
        for position, address in enumerate(endpoint.addresses):
            path = f"endpoints[{index}].addresses[{position}]"
            if not _is_address(address, address_type):
                what = f"expected an address of type {address_type}, got {shown(address)}"
                report.add(path, what)
            elif address_type in ("IPv4", "IPv6") and (problem := special(address)) is not None:
                report.add(path, f"{shown(address)} {problem}")
    _check_ports(endpoint_slice, report)


def _check_place(endpoint: Endpoint, path: str, report: Report) -> None:
    """Check where the endpoint is, and for whom."""
    if endpoint.hostname and (problem := names.dns_label(endpoint.hostname)) is not None:
        report.add(f"{path}.hostname", f"{shown(endpoint.hostname)} {problem}")
    if has_at_most(
        TOPOLOGY_MAX, endpoint.deprecated_topology, f"{path}.deprecatedTopology", report
    ):
        check_labels(endpoint.deprecated_topology, f"{path}.deprecatedTopology", report)
    zones = [zone.name for zone in endpoint.hints.for_zones]
    nodes = [node.name for node in endpoint.hints.for_nodes]
    for field, hints in (("forZones", zones), ("forNodes", nodes)):
        place = f"{path}.hints.{field}"
        if has_at_most(HINTS_MAX, hints, place, report):
            for index, hint in enumerate(hints):
                report.name(f"{place}[{index}].name", hint, names.label_value(hint))


def _check_ports(endpoint_slice: EndpointSlice, report: Report) -> None:
    if len(endpoint_slice.ports) > PORTS_MAX:
        report.add("ports", f"must be at most {PORTS_MAX}, are {len(endpoint_slice.ports)}")
        return
    taken: set[str] = set()
    for index, port in enumerate(endpoint_slice.ports):
        path = f"ports[{index}]"
        if port.name and (problem := names.dns_label(port.name)) is not None:
            report.add(f"{path}.name", f"{shown(port.name)} {problem}")
        if port.name in taken:
            report.add(f"{path}.name", f"duplicate: another port is called {shown(port.name)}")
        taken.add(port.name)
        report.one_of(f"{path}.protocol", port.protocol, PROTOCOLS)
        if port.app_protocol and (problem := names.qualified(port.app_protocol)) is not None:
            report.add(f"{path}.appProtocol", f"{shown(port.app_protocol)} {problem}")
        if port.HasField("port"):
            report.between(f"{path}.port", port.port, 1, 65535)


def _is_address(address: str, address_type: str) -> bool:
    match address_type:
        case "IPv4":
            return is_ipv4(address)
        case "IPv6":
            return _is_ipv6(address)
        case _:
            return names.dns_subdomain(address) is None


def _is_ipv6(address: str) -> bool:
    # The longest form of IPv6, which ends in an IPv4 address.
    return len(address) <= 45 and _is_ipv6_cached(address)


@lru_cache(maxsize=4096)
def _is_ipv6_cached(address: str) -> bool:
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def _check_change(
    stored: EndpointSlice,
    endpoint_slice: EndpointSlice,
    report: Report,
) -> None:
    """Check that the type of the addresses stays."""
    if stored.address_type != endpoint_slice.address_type:
        report.add("addressType", f"cannot be changed: it is {stored.address_type}")


RULES: Final[Rules[EndpointSlice]] = Rules(
    default=_default, check=_check, check_change=_check_change
)
