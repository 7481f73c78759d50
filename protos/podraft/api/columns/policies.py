"""The tables of ``autoscaling``, ``policy`` and ``scheduling.k8s.io``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as hpa_pb2
from podraft.api.columns.column import AGE, NAME, NONE, UNSET, Column, Table
from podraft.api.meta.v1.meta_pb2 import IntOrString

_UNKNOWN: Final = "<unknown>"
_AUTO: Final = "<auto>"
_NOT_SAID: Final = "N/A"
_METRICS_SHOWN: Final = 2
_FIELDS: Final[Mapping[str, str]] = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "container_resource",
    "External": "external",
}


def _reference(autoscaler: hpa_pb2.HorizontalPodAutoscaler, now_s: float) -> str:
    target = autoscaler.spec.scale_target_ref
    return f"{target.kind}/{target.name}"


def _targets(autoscaler: hpa_pb2.HorizontalPodAutoscaler, now_s: float) -> str:
    metrics = autoscaler.spec.metrics
    if not metrics:
        return NONE
    text = ", ".join(list(_metrics(autoscaler))[:_METRICS_SHOWN])
    more = len(metrics) - _METRICS_SHOWN
    return f"{text} + {more} more..." if more > 0 else text


def _metrics(autoscaler: hpa_pb2.HorizontalPodAutoscaler) -> Iterator[str]:
    measured = autoscaler.status.current_metrics
    for index, metric in enumerate(autoscaler.spec.metrics):
        field = _FIELDS.get(metric.type)
        if field is None:
            yield metric.type
            continue
        current = hpa_pb2.MetricValueStatus()
        if index < len(measured):
            current = getattr(measured[index], field).current
        yield _metric(metric.type, getattr(metric, field), current)


def _metric(
    type_: str,
    source: hpa_pb2.ResourceMetricSource | hpa_pb2.ObjectMetricSource,
    current: hpa_pb2.MetricValueStatus,
) -> str:
    target = source.target
    is_resource = type_ in ("Resource", "ContainerResource")
    prefix = f"{getattr(source, 'name', '')}: " if is_resource else ""
    if target.HasField("average_value"):
        found = current.average_value.string or _UNKNOWN
        suffix = " (avg)" if type_ in ("Object", "External") else ""
        return f"{prefix}{found}/{target.average_value.string}{suffix}"
    if not is_resource:
        return f"{current.value.string or _UNKNOWN}/{target.value.string}"
    has_found = current.HasField("average_utilization")
    used = f"{current.average_utilization}%" if has_found else _UNKNOWN
    has_target = target.HasField("average_utilization")
    return f"{prefix}{used}/{f'{target.average_utilization}%' if has_target else _AUTO}"


def _minimum(autoscaler: hpa_pb2.HorizontalPodAutoscaler, now_s: float) -> str:
    spec = autoscaler.spec
    return str(spec.min_replicas) if spec.HasField("min_replicas") else UNSET


def _amount(value: IntOrString, *, is_said: bool) -> str:
    if not is_said:
        return _NOT_SAID
    return value.str_val if value.type == 1 else str(value.int_val)


_AUTOSCALER = (
    NAME,
    Column("REFERENCE", _reference),
    Column("TARGETS", _targets),
    Column("MINPODS", _minimum),
    Column("MAXPODS", lambda hpa, now_s: str(hpa.spec.max_replicas)),
    Column("REPLICAS", lambda hpa, now_s: str(hpa.status.current_replicas)),
    AGE,
)
_BUDGET = (
    NAME,
    Column(
        "MIN AVAILABLE",
        lambda pdb, now_s: _amount(
            pdb.spec.min_available, is_said=pdb.spec.HasField("min_available")
        ),
    ),
    Column(
        "MAX UNAVAILABLE",
        lambda pdb, now_s: _amount(
            pdb.spec.max_unavailable, is_said=pdb.spec.HasField("max_unavailable")
        ),
    ),
    Column("ALLOWED DISRUPTIONS", lambda pdb, now_s: str(pdb.status.disruptions_allowed)),
    AGE,
)
_PRIORITY_CLASS = (
    NAME,
    Column("VALUE", lambda priority, now_s: str(priority.value)),
    Column("GLOBAL-DEFAULT", lambda priority, now_s: str(priority.global_default).lower()),
    AGE,
    Column("PREEMPTIONPOLICY", lambda priority, now_s: priority.preemption_policy),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.HORIZONTAL_POD_AUTOSCALER: Table(_AUTOSCALER),
    kinds.POD_DISRUPTION_BUDGET: Table(_BUDGET),
    kinds.PRIORITY_CLASS: Table(_PRIORITY_CLASS),
}
