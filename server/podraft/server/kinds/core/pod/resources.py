"""Requests and limits of containers."""

from __future__ import annotations

from podraft.api import quantities
from podraft.api.core.v1 import container_pb2
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.amounts import check_amounts


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
