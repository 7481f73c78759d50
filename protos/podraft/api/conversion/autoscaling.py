"""Old forms of ``autoscaling``: what a HorizontalPodAutoscaler goes by.

Owns: the metrics of v2beta1, whose form the annotations of v1 have, and v1's processor share.
"""

from __future__ import annotations

import json
from typing import Any, Final

from podraft.api.conversion.table import Manifest, Present, Table, mapping_in, mappings_in
from podraft.api.violations import InvalidObjectError

METRICS: Final = "autoscaling.alpha.kubernetes.io/metrics"
BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"
# A server writes these two.
_OBSERVED: Final = (
    "autoscaling.alpha.kubernetes.io/conditions",
    "autoscaling.alpha.kubernetes.io/current-metrics",
)


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


_V2: Final = "autoscaling/v2"

TABLE: Final[Table] = {
    ("autoscaling/v1", "HorizontalPodAutoscaler"): Present(_V2, of_v1),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): Present(_V2, of_v2beta1),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): Present(_V2),
}
