"""Limit ranges: bounds and defaults of what single objects of a namespace may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from podraft.api import names, quantities
from podraft.api.core.v1.limit_range_pb2 import LimitRange, LimitRangeItem
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.amounts import CONTAINER_RESOURCES, check_amounts
from podraft.server.kinds.shared.conditions import has_at_most

_CONTAINER: Final = "Container"
_CLAIM: Final = "PersistentVolumeClaim"
_TYPES: Final = (_CONTAINER, "Pod", _CLAIM)
_ITEMS_MAX: Final = 64
_AMOUNTS_MAX: Final = 100
_STORAGE: Final = "storage"
_KNOWN: Final = CONTAINER_RESOURCES | {_STORAGE}

Amounts: TypeAlias = Mapping[str, meta_pb2.Quantity]


def _default(limits: LimitRange) -> None:
    """Fill in what containers get: of limits the most, of requests the limit or the least."""
    for item in limits.spec.limits:
        if item.type == _CONTAINER:
            _fill(item.default, item.max)
            _fill(item.default_request, item.default)
            _fill(item.default_request, item.min)


def _fill(target: Amounts, source: Amounts) -> None:
    for name, amount in source.items():
        if name not in target:
            target[name].string = amount.string


def _check(limits: LimitRange, report: Report) -> None:
    """Check limits."""
    items = limits.spec.limits
    if not has_at_most(_ITEMS_MAX, items, "spec.limits", report):
        return
    seen: set[str] = set()
    for index, item in enumerate(items):
        path = f"spec.limits[{index}]"
        _check_type(item.type, seen, f"{path}.type", report)
        seen.add(item.type)
        if _check_usable(item, path, report):
            _check_item(item, path, report)


def _check_type(type_: str, seen: set[str], field: str, report: Report) -> None:
    if type_ in seen:
        report.add(field, f"duplicate: {shown(type_)} is listed already")
    elif type_ not in _TYPES and ("/" not in type_ or names.qualified(type_) is not None):
        report.one_of(field, type_, (*_TYPES, "domain/name"))


def _check_usable(item: LimitRangeItem, field: str, report: Report) -> bool:
    """Check names and amounts; return whether all can be compared."""
    usable = True
    for name, amounts in _maps(item).items():
        path = f"{field}.{name}"
        if not has_at_most(_AMOUNTS_MAX, amounts, path, report):
            return False
        usable = check_amounts(amounts, path, report, _KNOWN) and usable
    return usable


def _maps(item: LimitRangeItem) -> dict[str, Amounts]:
    return {
        "max": item.max,
        "min": item.min,
        "default": item.default,
        "defaultRequest": item.default_request,
        "maxLimitRequestRatio": item.max_limit_request_ratio,
    }


def _check_item(item: LimitRangeItem, field: str, report: Report) -> None:
    if item.type == "Pod":
        for name in ("default", "defaultRequest"):
            if _maps(item)[name]:
                report.add(f"{field}.{name}", "must not be set for Pod: containers have defaults")
        if item.default or item.default_request:
            return
    if item.type == _CLAIM and _STORAGE not in item.min and _STORAGE not in item.max:
        report.add(field, f"must have {_STORAGE} in min or max")
    low, high = ("min", item.min), ("max", item.max)
    default, request = ("default", item.default), ("defaultRequest", item.default_request)
    for smaller, larger in (
        (low, high),
        (low, request),
        (low, default),
        (request, default),
        (request, high),
        (default, high),
    ):
        _check_order(smaller, larger, field, report)
    for name, ratio in item.max_limit_request_ratio.items():
        if quantities.compare(ratio, "1") < 0:
            where = f"{field}.maxLimitRequestRatio[{name}]"
            report.add(where, f"must be at least 1, is {ratio.string}")


def _check_order(
    smaller: tuple[str, Amounts], larger: tuple[str, Amounts], field: str, report: Report
) -> None:
    (small, low), (large, high) = smaller, larger
    for name in low:
        if name in high and quantities.compare(low[name], high[name]) > 0:
            most = f"must be at most {large} ({high[name].string}), is {low[name].string}"
            report.add(f"{field}.{small}[{name}]", most)


RULES: Final[Rules[LimitRange]] = Rules(default=_default, check=_check, keeps_spelling=True)
