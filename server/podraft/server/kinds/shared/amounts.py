"""Amounts of resources: of a container's requests and limits, of a node's capacity."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Final

from podraft.api import names, quantities
from podraft.api.core.v1 import container_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.amounts import CPU, EPHEMERAL_STORAGE, MEMORY
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_quantity

CONTAINER_RESOURCES: Final = frozenset((CPU, MEMORY, EPHEMERAL_STORAGE))
# A node also says how many pods it takes.
NODE_RESOURCES: Final = CONTAINER_RESOURCES | {"pods"}


def check_amounts(
    amounts: Mapping[str, meta_pb2.Quantity],
    field: str,
    report: Report,
    standard: Set[str] = CONTAINER_RESOURCES,
) -> bool:
    """Check the resources of one map; return whether all amounts are usable."""
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


def derive_requests(resources: container_pb2.ResourceRequirements) -> None:
    """Set each missing request to its limit."""
    for name, limit in resources.limits.items():
        if name not in resources.requests:
            resources.requests[name].string = limit.string


def check_resources(
    resources: container_pb2.ResourceRequirements, field: str, report: Report
) -> None:
    """Check names and amounts, and that no request exceeds its limit."""
    limits, requests = resources.limits, resources.requests
    usable = check_amounts(limits, f"{field}.limits", report)
    # A request that was taken over from its limit has been checked along with it.
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
