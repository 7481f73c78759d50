"""EndpointSlices, Leases and Events: what components write for each other."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from podraft.api import names, times
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import reference_pb2
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.kinds.pod_addresses import special
from podraft.server.kinds.report import PROTOCOLS, Report, is_ipv4

_ADDRESS_TYPES = ("IPv4", "IPv6", "FQDN")
MAX_ENDPOINTS = 1000
MAX_ADDRESSES = 100
MAX_PORTS = 100

_EVENT_TYPES = ("Normal", "Warning")
MAX_NOTE = 1024
MAX_EVENT_WORD = 128
MAX_REFERENCE_WORD = 1024
MAX_HOLDER = 1024


def default_endpoint_slice(endpoint_slice: endpoint_slice_pb2.EndpointSlice) -> None:
    """Fill in what a port does not say."""
    for port in endpoint_slice.ports:
        if not port.protocol:
            port.protocol = "TCP"
        if not port.HasField("name"):
            port.name = ""


def check_endpoint_slice(endpoint_slice: endpoint_slice_pb2.EndpointSlice, report: Report) -> None:
    """Check an EndpointSlice."""
    address_type = endpoint_slice.address_type
    report.one_of("addressType", address_type, _ADDRESS_TYPES)
    if len(endpoint_slice.endpoints) > MAX_ENDPOINTS:
        count = len(endpoint_slice.endpoints)
        report.add("endpoints", f"must be at most {MAX_ENDPOINTS}, are {count}")
        return
    for index, endpoint in enumerate(endpoint_slice.endpoints):
        count = len(endpoint.addresses)
        if not 1 <= count <= MAX_ADDRESSES:
            field = f"endpoints[{index}].addresses"
            report.add(field, f"must be 1 to {MAX_ADDRESSES}, are {count}")
            continue
        for position, address in enumerate(endpoint.addresses):
            path = f"endpoints[{index}].addresses[{position}]"
            if not _is_address(address, address_type):
                what = f"expected an address of type {address_type}, got {shown(address)}"
                report.add(path, what)
            elif address_type in ("IPv4", "IPv6") and (problem := special(address)) is not None:
                report.add(path, f"{shown(address)} {problem}")
    _check_slice_ports(endpoint_slice, report)


def _check_slice_ports(endpoint_slice: endpoint_slice_pb2.EndpointSlice, report: Report) -> None:
    if len(endpoint_slice.ports) > MAX_PORTS:
        report.add("ports", f"must be at most {MAX_PORTS}, are {len(endpoint_slice.ports)}")
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
    # The longest one: IPv4 at its end.
    return len(address) <= 45 and _is_ipv6_cached(address)


@lru_cache(maxsize=4096)
def _is_ipv6_cached(address: str) -> bool:
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def check_endpoint_slice_change(
    stored: endpoint_slice_pb2.EndpointSlice,
    endpoint_slice: endpoint_slice_pb2.EndpointSlice,
    report: Report,
) -> None:
    """Check that the type of the addresses stays."""
    if stored.address_type != endpoint_slice.address_type:
        report.add("addressType", f"cannot be changed: it is {stored.address_type}")


def default_lease(lease: lease_pb2.Lease) -> None:
    """Do nothing: a Lease has no defaults."""


def check_lease(lease: lease_pb2.Lease, report: Report) -> None:
    """Check a Lease."""
    spec = lease.spec
    if spec.HasField("lease_duration_seconds"):
        report.at_least("spec.leaseDurationSeconds", spec.lease_duration_seconds, 1)
    report.at_least("spec.leaseTransitions", spec.lease_transitions, 0)
    if len(spec.holder_identity) > MAX_HOLDER:
        size = len(spec.holder_identity)
        report.add("spec.holderIdentity", f"must be at most {MAX_HOLDER} characters, is {size}")
    for field, time in (("acquireTime", spec.acquire_time), ("renewTime", spec.renew_time)):
        _check_time(time, f"spec.{field}", report)


def default_event(event: event_pb2.Event) -> None:
    """Fill in the type, and the time: an event happened when it was first written."""
    if not event.type:
        event.type = "Normal"
    if not event.event_time.HasField("seconds"):
        event.event_time.seconds = event.metadata.creation_timestamp.seconds


def check_event(event: event_pb2.Event, report: Report) -> None:
    """Check an Event."""
    report.one_of("type", event.type, _EVENT_TYPES)
    if not event.reason:
        report.required("reason")
    for field, value in (
        ("reason", event.reason),
        ("action", event.action),
        ("reportingController", event.reporting_controller),
        ("reportingInstance", event.reporting_instance),
    ):
        if len(value) > MAX_EVENT_WORD:
            report.add(field, f"must be at most {MAX_EVENT_WORD} characters, is {len(value)}")
    if len(event.note) > MAX_NOTE:
        report.add("note", f"must be at most {MAX_NOTE} characters, is {len(event.note)}")
    _check_reference(event.regarding, "regarding", report)
    _check_reference(event.related, "related", report)
    _check_time(event.event_time, "eventTime", report)
    regarding = event.regarding.namespace
    if regarding and regarding != event.metadata.namespace:
        own = event.metadata.namespace
        report.add(
            "regarding.namespace",
            f"must be the event's own namespace, {own}, is {shown(regarding)}",
        )
    if event.HasField("series"):
        report.at_least("series.count", event.series.count, 2)
        _check_time(event.series.last_observed_time, "series.lastObservedTime", report)


def _check_reference(reference: reference_pb2.ObjectReference, field: str, report: Report) -> None:
    for described, value in reference.ListFields():
        if len(value) > MAX_REFERENCE_WORD:
            path = f"{field}.{described.json_name}"
            report.add(path, f"must be at most {MAX_REFERENCE_WORD} characters, is {len(value)}")


def _check_time(time: meta_pb2.MicroTime, field: str, report: Report) -> None:
    if not times.is_time(time):
        report.add(field, "is no time between the years 1 and 9999")
