"""Old forms of ``autoscaling``: what a HorizontalPodAutoscaler goes by.

Owns: the metrics of v2beta1, whose form the annotations of v1 have, and v1's processor share.
"""

from __future__ import annotations

import json
from typing import Any, Final

from podraft.api.conversion.table import (
    Manifest,
    Present,
    Table,
    default,
    made_in,
    mapping_in,
    mappings_in,
)
from podraft.api.violations import InvalidObjectError

METRICS: Final = "autoscaling.alpha.kubernetes.io/metrics"
BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"
CONDITIONS: Final = "autoscaling.alpha.kubernetes.io/conditions"
# A server writes these two.
_OBSERVED: Final = (CONDITIONS, "autoscaling.alpha.kubernetes.io/current-metrics")
# What v2 has in a metric in place of what v1 notes.
_PRESENT_PARTS: Final = ("target", "metric", "describedObject")
_TYPE_AND_VALUE: Final = 2


def of_v1(manifest: Manifest) -> None:
    """Make metrics of the processor share, and of the annotations that v1 keeps the others in.

    Raises:
        InvalidObjectError: An annotation does not hold what it should.
    """
    spec = mapping_in(manifest, "spec")
    if spec is None:
        return
    metrics: list[Any] = []
    share = spec.pop("targetCPUUtilizationPercentage", None)
    if share is not None:
        metrics.append({"type": "Resource", "resource": _resource("cpu", share)})
    annotations = mapping_in(manifest, "metadata", "annotations")
    if annotations is not None:
        metrics += _noted(annotations, METRICS, list)
        for metric in metrics:
            _metric(metric)
        behavior = _noted(annotations, BEHAVIOR, dict)
        if behavior:
            spec["behavior"] = behavior
        for name in _OBSERVED:
            annotations.pop(name, None)
    if metrics:
        spec["metrics"] = metrics


def _resource(name: str, share: Any) -> Manifest:
    return {"name": name, "target": {"type": "Utilization", "averageUtilization": share}}


def _noted(annotations: Manifest, name: str, expected: type[Any]) -> Any:
    text = annotations.pop(name, None)
    if text is None:
        return expected()
    try:
        value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        value = None
    if not isinstance(value, expected):
        raise InvalidObjectError.of(f"metadata.annotations[{name}]", "expected JSON of metrics")
    return value


def of_v2beta1(manifest: Manifest) -> None:
    """Give each metric the name, the object and the target that v2 tells apart."""
    for metric in mappings_in(mapping_in(manifest, "spec"), "metrics"):
        _metric(metric)


def _metric(metric: Any) -> None:
    for name in ("resource", "containerResource"):
        if (source := mapping_in(metric, name)) is not None:
            _target(source)
    if (pods := mapping_in(metric, "pods")) is not None:
        _named(pods, "selector")
        _target(pods)
    if (external := mapping_in(metric, "external")) is not None:
        _named(external, "metricSelector")
        _target(external)
    if (object_ := mapping_in(metric, "object")) is not None and "describedObject" not in object_:
        described = object_.pop("target", None)
        _named(object_, "selector")
        _target(object_)
        if described is not None:
            object_["describedObject"] = described


def _named(source: Manifest, selector: str) -> None:
    if "metricName" not in source:
        return
    source["metric"] = {"name": source.pop("metricName")}
    if (wanted := source.pop(selector, None)) is not None:
        source["metric"]["selector"] = wanted


# What v2beta1 called each form of target, and its present type and name.
_TARGETS: Final = (
    ("targetAverageUtilization", "Utilization", "averageUtilization"),
    ("targetAverageValue", "AverageValue", "averageValue"),
    ("averageValue", "AverageValue", "averageValue"),
    ("targetValue", "Value", "value"),
)


def _target(source: Manifest) -> None:
    """Say the first form of target that is set; v2beta1 had several, of which one counted."""
    for old, type_, name in _TARGETS:
        value = source.pop(old, None)
        if value is not None and not _is_zero(value):
            source.setdefault("target", {"type": type_, name: value})


def _is_zero(value: Any) -> bool:
    return not isinstance(value, bool) and value in (0, "0")


def to_v1(manifest: Manifest) -> None:
    """Say the processor's share as v1 does, and note everything else in annotations."""
    spec = made_in(manifest, "spec")
    metadata = made_in(manifest, "metadata")
    annotations = made_in(metadata, "annotations") if metadata is not None else None
    if spec is None or annotations is None:
        return
    others: list[Any] = []
    for metric in spec.pop("metrics", None) or ():
        share = _share_of_cpu(metric)
        if share is None or "targetCPUUtilizationPercentage" in spec:
            others.append(_old_metric(metric))
        else:
            spec["targetCPUUtilizationPercentage"] = share
    _note(annotations, METRICS, others)
    _note(annotations, BEHAVIOR, spec.pop("behavior", None))
    status = mapping_in(manifest, "status") or {}
    for metric in status.pop("currentMetrics", None) or ():
        current = mapping_in(metric, "resource", "current")
        if current is not None and metric["resource"].get("name") == "cpu":
            default(status, "currentCPUUtilizationPercentage", current.get("averageUtilization"))
    _note(annotations, CONDITIONS, status.pop("conditions", None))


def _share_of_cpu(metric: Any) -> Any:
    resource = mapping_in(metric, "resource")
    target = mapping_in(resource, "target")
    if resource is None or target is None or resource.get("name") != "cpu":
        return None
    return target.get("averageUtilization") if len(target) == _TYPE_AND_VALUE else None


def _note(annotations: Manifest, name: str, value: Any) -> None:
    if value:
        annotations[name] = json.dumps(value, sort_keys=True, separators=(",", ":"))


def _old_metric(metric: Manifest) -> Manifest:
    """Return a metric in the form that v1's annotation has."""
    old: Manifest = {}
    for name, source in metric.items():
        if not isinstance(source, dict):
            old[name] = source
            continue
        target = source.get("target") or {}
        named = source.get("metric") or {}
        one = {key: item for key, item in source.items() if key not in _PRESENT_PARTS}
        one |= _set(metricName=named.get("name"))
        one |= {_selector(name): selector} if (selector := named.get("selector")) else {}
        if name == "object":
            one |= _set(
                target=source.get("describedObject"),
                targetValue=target.get("value") or "0",
                averageValue=target.get("averageValue"),
            )
        else:
            one |= _set(
                targetAverageUtilization=target.get("averageUtilization"),
                targetAverageValue=target.get("averageValue"),
                targetValue=target.get("value"),
            )
        old[name] = one
    return old


def _selector(source: str) -> str:
    return "metricSelector" if source == "external" else "selector"


def _set(**values: Any) -> Manifest:
    return {name: value for name, value in values.items() if value is not None}


_V2: Final = "autoscaling/v2"

TABLE: Final[Table] = {
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): Present(_V2, of_v2beta1),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): Present(_V2),
}
