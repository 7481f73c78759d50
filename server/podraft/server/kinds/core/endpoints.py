"""Endpoints: addresses and ports of a service, in the form before EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podraft.api import names
from podraft.api.core.v1.endpoints_pb2 import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
)
from podraft.api.objects.ports import PROTOCOLS, TCP
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.addresses import is_ip, special
from podraft.server.kinds.shared.conditions import has_at_most

ADDRESSES_MAX: Final = 1000
_SUBSETS_MAX: Final = 1000
_PORTS_MAX: Final = 250


def _default(endpoints: Endpoints) -> None:
    """Fill in protocols."""
    for subset in endpoints.subsets:
        for port in subset.ports:
            if not port.protocol:
                port.protocol = TCP


def _check(endpoints: Endpoints, report: Report) -> None:
    """Check the subsets."""
    if has_at_most(_SUBSETS_MAX, endpoints.subsets, "subsets", report):
        for index, subset in enumerate(endpoints.subsets):
            _check_subset(subset, f"subsets[{index}]", report)


def _check_subset(subset: EndpointSubset, field: str, report: Report) -> None:
    if not subset.addresses and not subset.not_ready_addresses:
        report.add(field, "must have addresses or notReadyAddresses")
    for name, addresses in (
        ("addresses", subset.addresses),
        ("notReadyAddresses", subset.not_ready_addresses),
    ):
        if has_at_most(ADDRESSES_MAX, addresses, f"{field}.{name}", report):
            for index, address in enumerate(addresses):
                _check_address(address, f"{field}.{name}[{index}]", report)
    if has_at_most(_PORTS_MAX, subset.ports, f"{field}.ports", report):
        for index, port in enumerate(subset.ports):
            named = len(subset.ports) > 1
            _check_port(port, f"{field}.ports[{index}]", report, named=named)


def _check_address(address: EndpointAddress, field: str, report: Report) -> None:
    ip, host, node = address.ip, address.hostname, address.node_name
    if not is_ip(ip):
        report.add(f"{field}.ip", f"expected an IP address, got {shown(ip)}")
    elif (problem := special(ip)) is not None:
        report.add(f"{field}.ip", f"{shown(ip)} {problem}")
    if host and (problem := names.dns_label(host)) is not None:
        report.add(f"{field}.hostname", f"{shown(host)} {problem}")
    if node and (problem := names.dns_subdomain(node)) is not None:
        report.add(f"{field}.nodeName", f"{shown(node)} {problem}")


def _check_port(port: EndpointPort, field: str, report: Report, *, named: bool) -> None:
    if named or port.name:
        report.name(f"{field}.name", port.name, names.dns_label(port.name))
    report.between(f"{field}.port", port.port, 1, 65535)
    report.one_of(f"{field}.protocol", port.protocol, PROTOCOLS)
    protocol = port.app_protocol
    if protocol and (problem := names.qualified(protocol)) is not None:
        report.add(f"{field}.appProtocol", f"{shown(protocol)} {problem}")


def _addresses(endpoints: Endpoints) -> Iterator[tuple[str, EndpointAddress]]:
    for index, subset in enumerate(endpoints.subsets):
        for name, addresses in (
            ("addresses", subset.addresses),
            ("notReadyAddresses", subset.not_ready_addresses),
        ):
            for position, address in enumerate(addresses):
                yield f"subsets[{index}].{name}[{position}]", address


def _check_change(stored: Endpoints, endpoints: Endpoints, report: Report) -> None:
    """Check that an address does not move to another node: it is another machine's then."""
    before = {address.ip: address.node_name for _, address in _addresses(stored)}
    for field, address in _addresses(endpoints):
        node = before.get(address.ip)
        if node and address.node_name != node:
            report.add(f"{field}.nodeName", f"cannot be changed: it is {node}")


RULES: Final[Rules[Endpoints]] = Rules(default=_default, check=_check, check_change=_check_change)
