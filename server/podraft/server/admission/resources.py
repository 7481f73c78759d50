"""Requests and limits of containers, and the quality of service that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from podraft.api import names, quantities
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.admission.report import Report, check_quantity

CONTAINER_RESOURCES = frozenset(("cpu", "memory", "ephemeral-storage"))
# A node also says how many pods it takes.
NODE_RESOURCES = CONTAINER_RESOURCES | {"pods"}
QOS_CLASSES = ("Guaranteed", "Burstable", "BestEffort")
_QOS_RESOURCES = ("cpu", "memory")


def derive_requests(resources: container_pb2.ResourceRequirements) -> None:
    """Request what is limited, unless the request is given."""
    for name, limit in resources.limits.items():
        if name not in resources.requests:
            resources.requests[name].string = limit.string


def check_resources(
    resources: container_pb2.ResourceRequirements, field: str, report: Report
) -> None:
    """Check names and amounts, and that no request exceeds its limit."""
    limits, requests = resources.limits, resources.requests
    usable = check_amounts(limits, f"{field}.limits", report)
    # A request that was taken over from its limit has been judged with it.
    own = {
        name: request
        for name, request in requests.items()
        if name not in limits or limits[name].string != request.string
    }
    if not check_amounts(own, f"{field}.requests", report) or not usable:
        return
    for name, request in own.items():
        if name in limits and quantities.compare(request, limits[name]) > 0:
            report.add(
                f"{field}.requests[{name}]",
                f"must be at most the limit of {limits[name].string}, is {request.string}",
            )


def check_amounts(
    amounts: Mapping[str, meta_pb2.Quantity],
    field: str,
    report: Report,
    standard: Set[str] = CONTAINER_RESOURCES,
) -> bool:
    """Check the resources of one map; say whether all amounts are usable."""
    usable = True
    for name, amount in amounts.items():
        if name not in standard and not name.startswith("hugepages-"):
            problem = names.qualified(name)
            if problem is None and "/" not in name:
                problem = f"is not known: expected {', '.join(sorted(standard))} or domain/name"
            if problem is not None:
                report.add(field, f"resource {shown(name)} {problem}")
        usable = check_quantity(amount, f"{field}[{name}]", report) and usable
    return usable


def qos_class(spec: pod_pb2.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort; the quantities are valid."""
    anything, guaranteed = False, True
    for container in _all_containers(spec):
        requests, limits = container.resources.requests, container.resources.limits
        for name in _QOS_RESOURCES:
            request = _milli(requests, name)
            limit = _milli(limits, name)
            anything = anything or request > 0 or limit > 0
            guaranteed = guaranteed and limit > 0 and request == limit
    if not anything:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _milli(amounts: Mapping[str, meta_pb2.Quantity], name: str) -> int:
    # Looking up an absent key would add it: these maps are protobuf's.
    return quantities.milli(amounts[name]) if name in amounts else 0


def _all_containers(spec: pod_pb2.PodSpec) -> Iterable[container_pb2.Container]:
    yield from spec.containers
    yield from spec.init_containers
