"""Resource quotas: limits of what a namespace's objects use together, of some or of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import names, quantities
from podraft.api.core.v1.resource_quota_pb2 import (
    ResourceQuota,
    ResourceQuotaSpec,
    ScopedResourceSelectorRequirement,
)
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_quantity
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.amounts import CONTAINER_RESOURCES
from podraft.server.kinds.shared.conditions import has_at_most

_AMOUNTS_MAX: Final = 500
# What is counted in objects, and in whole numbers.
_OBJECTS: Final = frozenset(
    (
        "pods",
        "services",
        "services.nodeports",
        "services.loadbalancers",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
    )
)
_AMOUNTS: Final = CONTAINER_RESOURCES | {"storage"}
_COUNT: Final = "count/"
_PARTS: Final = ("requests.", "limits.")
_BEST_EFFORT: Final = "BestEffort"
_PRIORITY: Final = "PriorityClass"
_SCOPES: Final = (
    "Terminating",
    "NotTerminating",
    _BEST_EFFORT,
    "NotBestEffort",
    _PRIORITY,
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
)
_OPPOSED: Final = (("Terminating", "NotTerminating"), (_BEST_EFFORT, "NotBestEffort"))
_WITH_VALUES: Final = (_PRIORITY, "VolumeAttributesClass")
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def _check(quota: ResourceQuota, report: Report) -> None:
    """Check a quota."""
    spec = quota.spec
    _check_amounts(spec.hard, "spec.hard", report)
    for index, scope in enumerate(spec.scopes):
        report.one_of(f"spec.scopes[{index}]", scope, _SCOPES)
    for index, requirement in enumerate(spec.scope_selector.match_expressions):
        _check_requirement(requirement, f"spec.scopeSelector.matchExpressions[{index}]", report)
    _check_scopes(spec, report)


def _check_amounts(amounts: Mapping[str, meta_pb2.Quantity], field: str, report: Report) -> None:
    if not has_at_most(_AMOUNTS_MAX, amounts, field, report):
        return
    for name, amount in amounts.items():
        if (problem := _name_problem(name)) is not None:
            report.add(field, f"resource {shown(name)} {problem}")
        usable = check_quantity(amount, f"{field}[{name}]", report)
        if usable and _is_counted(name) and quantities.nano(amount) % 10**9:
            report.add(f"{field}[{name}]", f"must be a whole number, is {amount.string}")


def _is_counted(name: str) -> bool:
    return name in _OBJECTS or name.startswith(_COUNT)


def _name_problem(name: str) -> str | None:
    """Return what is wrong with the name of a limited resource."""
    if _is_counted(name):
        return None if name != _COUNT else "names nothing to count"
    amount = name
    for part in _PARTS:
        amount = amount.removeprefix(part)
    if amount in _AMOUNTS or amount.startswith("hugepages-"):
        return None
    if (problem := names.qualified(name)) is not None:
        return problem
    if "/" in name:  # A resource of some domain, or what is asked for of a storage class.
        return None
    known = ", ".join((*sorted(_OBJECTS), *sorted(_AMOUNTS)))
    return f"is not known: expected one of {known}, requests.…, limits.…, count/… or domain/name"


def _check_requirement(
    requirement: ScopedResourceSelectorRequirement, field: str, report: Report
) -> None:
    scope, operator, values = requirement.scope_name, requirement.operator, requirement.values
    report.one_of(f"{field}.scopeName", scope, _SCOPES)
    report.one_of(f"{field}.operator", operator, _OPERATORS)
    if scope in _SCOPES and scope not in _WITH_VALUES and operator != "Exists":
        report.add(f"{field}.operator", f"must be Exists for {scope}")
    if operator in ("In", "NotIn") and not values:
        report.add(f"{field}.values", f"is required with operator {operator}")
    elif operator in ("Exists", "DoesNotExist") and values:
        report.add(f"{field}.values", f"must be empty with operator {operator}")


def _check_scopes(spec: ResourceQuotaSpec, report: Report) -> None:
    selected = (one.scope_name for one in spec.scope_selector.match_expressions)
    scopes = {*spec.scopes, *selected}
    for one, other in _OPPOSED:
        if one in scopes and other in scopes:
            report.add("spec.scopes", f"must not be both {one} and {other}: no object is")
    if _BEST_EFFORT in scopes:
        for name in spec.hard:
            if name not in ("pods", "count/pods"):
                must = "must not be set with the scope BestEffort: such pods ask for nothing"
                report.add(f"spec.hard[{name}]", must)


def _check_change(stored: ResourceQuota, quota: ResourceQuota, report: Report) -> None:
    """Check that a quota counts the same objects as before."""
    old, new = stored.spec, quota.spec
    if sorted(old.scopes) != sorted(new.scopes):
        report.add("spec.scopes", "cannot be changed: make a new object under another name")
    if old.scope_selector != new.scope_selector:
        report.add("spec.scopeSelector", "cannot be changed: make a new object under another name")


def _check_status(quota: ResourceQuota, report: Report) -> None:
    """Check a quota's status."""
    _check_amounts(quota.status.hard, "status.hard", report)
    _check_amounts(quota.status.used, "status.used", report)


RULES: Final[Rules[ResourceQuota]] = Rules(
    check=_check,
    check_change=_check_change,
    check_status=_check_status,
    keeps_spelling=True,
)
