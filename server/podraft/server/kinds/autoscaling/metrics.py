"""The metrics of an autoscaler: each type's own field, and a target that it can have.

Owns: which targets a type of metric allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from podraft.api import quantities
from podraft.api.autoscaling.v2.horizontal_pod_autoscaler_pb2 import (
    CrossVersionObjectReference,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
)
from podraft.api.meta.v1 import meta_pb2
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_quantity

# The field of each type.
_FIELDS: Final[Mapping[str, str]] = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "container_resource",
    "External": "external",
}
_TARGET_TYPES: Final = ("Utilization", "Value", "AverageValue")
_JSON: Final[Mapping[str, str]] = {
    "value": "value",
    "average_value": "averageValue",
    "average_utilization": "averageUtilization",
}


def check_metric(metric: MetricSpec, field: str, report: Report) -> None:
    """Check a metric: the field of its type is set, no other one is."""
    report.one_of(f"{field}.type", metric.type, tuple(_FIELDS))
    own = _FIELDS.get(metric.type)
    if own is None:
        return
    for described, _ in metric.ListFields():
        if described.name not in ("type", own):
            what = f"must not be set when type is {shown(metric.type)}"
            report.add(f"{field}.{described.json_name}", what)
    if not metric.HasField(own):
        report.required(f"{field}.{MetricSpec.DESCRIPTOR.fields_by_name[own].json_name}")
        return
    _check_source(metric, field, report)


def _check_source(metric: MetricSpec, field: str, report: Report) -> None:
    match metric.type:
        case "Object":
            described, path = metric.object, f"{field}.object"
            _check_object(described.described_object, f"{path}.describedObject", report)
            _check_identifier(described.metric, f"{path}.metric", report)
            allowed = ("value", "average_value")
            _check_target(described.target, f"{path}.target", allowed, report)
        case "Pods":
            _check_identifier(metric.pods.metric, f"{field}.pods.metric", report)
            _check_target(metric.pods.target, f"{field}.pods.target", ("average_value",), report)
        case "External":
            external, path = metric.external, f"{field}.external"
            _check_identifier(external.metric, f"{path}.metric", report)
            allowed = ("value", "average_value")
            _check_target(external.target, f"{path}.target", allowed, report)
        case _:
            is_container = metric.type == "ContainerResource"
            source = metric.container_resource if is_container else metric.resource
            path = f"{field}.{'containerResource' if is_container else 'resource'}"
            if not source.name:
                report.required(f"{path}.name")
            if is_container and not metric.container_resource.container:
                report.required(f"{path}.container")
            allowed = ("average_utilization", "average_value")
            _check_target(source.target, f"{path}.target", allowed, report)


def _check_object(target: CrossVersionObjectReference, field: str, report: Report) -> None:
    for name, value in (("kind", target.kind), ("name", target.name)):
        if not value:
            report.required(f"{field}.{name}")


def _check_identifier(metric: MetricIdentifier, field: str, report: Report) -> None:
    if not metric.name:
        report.required(f"{field}.name")
    elif "/" in metric.name or "%" in metric.name:
        report.add(f"{field}.name", f"{shown(metric.name)} must not contain '/' or '%'")
    if metric.HasField("selector"):
        check_label_selector(metric.selector, f"{field}.selector", report)


def _check_target(target: MetricTarget, field: str, allowed: Sequence[str], report: Report) -> None:
    report.one_of(f"{field}.type", target.type, _TARGET_TYPES)
    given = [described.name for described, _ in target.ListFields() if described.name != "type"]
    for name in given:
        if name not in allowed:
            report.add(f"{field}.{_JSON[name]}", "must not be set for this type of metric")
    usable = [name for name in given if name in allowed]
    words = " or ".join(_JSON[name] for name in allowed)
    if not usable:
        report.add(field, f"must have {words}")
    elif len(usable) > 1:
        report.add(field, f"must have only one of {words.replace(' or ', ' and ')}")
    _check_positive(target, field, report)


def _check_positive(target: MetricTarget, field: str, report: Report) -> None:
    if target.HasField("value"):
        _check_above_zero(target.value, f"{field}.value", report)
    if target.HasField("average_value"):
        _check_above_zero(target.average_value, f"{field}.averageValue", report)
    if target.HasField("average_utilization"):
        report.at_least(f"{field}.averageUtilization", target.average_utilization, 1)


def _check_above_zero(quantity: meta_pb2.Quantity, field: str, report: Report) -> None:
    if check_quantity(quantity, field, report) and quantities.compare(quantity, "0") == 0:
        report.add(field, "must be more than 0")
