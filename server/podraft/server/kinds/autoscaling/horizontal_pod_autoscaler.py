"""HorizontalPodAutoscalers: bounds, measurements with their targets, and how quickly to follow."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.autoscaling.v2.horizontal_pod_autoscaler_pb2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HPAScalingRules,
    MetricSpec,
)
from podraft.api.violations import shown
from podraft.server.kinds.autoscaling.metrics import check_metric
from podraft.server.kinds.report import Report, check_quantity
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import (
    check_conditions,
    check_counts,
    check_time,
    has_at_most,
)

METRICS_MAX: Final = 100
POLICIES_MAX: Final = 32
_DEFAULT_UTILIZATION: Final = 80
_WINDOW_MAX_S: Final = 3600
_PERIOD_MAX_S: Final = 1800
_DEFAULT_PERIOD_S: Final = 15
_CHOICES: Final = ("Max", "Min", "Disabled")
_POLICY_TYPES: Final = ("Pods", "Percent")
# What can be measured although there is no pod.
_WITHOUT_PODS: Final = ("Object", "External")


def _default(autoscaler: HorizontalPodAutoscaler) -> None:
    """Fill in the fields that a HorizontalPodAutoscaler leaves out."""
    spec = autoscaler.spec
    if not spec.HasField("min_replicas"):
        spec.min_replicas = 1
    if not spec.metrics:
        metric: MetricSpec = spec.metrics.add(type="Resource")
        metric.resource.name = "cpu"
        metric.resource.target.type = "Utilization"
        metric.resource.target.average_utilization = _DEFAULT_UTILIZATION
    if spec.HasField("behavior"):
        _default_behavior(spec.behavior)


def _default_behavior(behavior: HorizontalPodAutoscalerBehavior) -> None:
    up, down = behavior.scale_up, behavior.scale_down
    if not up.HasField("stabilization_window_seconds"):
        up.stabilization_window_seconds = 0
    if not up.policies:
        up.policies.add(type="Pods", value=4, period_seconds=_DEFAULT_PERIOD_S)
        up.policies.add(type="Percent", value=100, period_seconds=_DEFAULT_PERIOD_S)
    if not down.policies:
        down.policies.add(type="Percent", value=100, period_seconds=_DEFAULT_PERIOD_S)
    for rules in (up, down):
        if not rules.select_policy:
            rules.select_policy = "Max"


def _check(autoscaler: HorizontalPodAutoscaler, report: Report) -> None:
    """Check a HorizontalPodAutoscaler."""
    spec = autoscaler.spec
    check_target(spec.scale_target_ref, "spec.scaleTargetRef", report)
    report.at_least("spec.minReplicas", spec.min_replicas, 0)
    if spec.min_replicas == 0 and not any(m.type in _WITHOUT_PODS for m in spec.metrics):
        what = "must be at least 1 without a metric of type Object or External, is 0"
        report.add("spec.minReplicas", what)
    report.at_least("spec.maxReplicas", spec.max_replicas, 1)
    if 1 <= spec.max_replicas < spec.min_replicas:
        what = f"must be at least minReplicas ({spec.min_replicas}), is {spec.max_replicas}"
        report.add("spec.maxReplicas", what)
    if has_at_most(METRICS_MAX, spec.metrics, "spec.metrics", report):
        for index, metric in enumerate(spec.metrics):
            check_metric(metric, f"spec.metrics[{index}]", report)
    for name, rules in (
        ("scaleUp", spec.behavior.scale_up),
        ("scaleDown", spec.behavior.scale_down),
    ):
        if spec.HasField("behavior"):
            _check_rules(rules, f"spec.behavior.{name}", report)


def check_target(target: CrossVersionObjectReference, field: str, report: Report) -> None:
    """Check a reference to an object in the same namespace."""
    for name, value in (("kind", target.kind), ("name", target.name)):
        if not value:
            report.required(f"{field}.{name}")
        elif "/" in value or "%" in value or value in (".", ".."):
            report.add(f"{field}.{name}", f"{shown(value)} must not contain '/' or '%'")
    if target.api_version:
        report.name(
            f"{field}.apiVersion", target.api_version, names.api_version(target.api_version)
        )


def _check_rules(rules: HPAScalingRules, field: str, report: Report) -> None:
    window_s = rules.stabilization_window_seconds
    report.between(f"{field}.stabilizationWindowSeconds", window_s, 0, _WINDOW_MAX_S)
    report.one_of(f"{field}.selectPolicy", rules.select_policy, _CHOICES)
    if rules.HasField("tolerance"):
        check_quantity(rules.tolerance, f"{field}.tolerance", report)
    if not has_at_most(POLICIES_MAX, rules.policies, f"{field}.policies", report):
        return
    for index, policy in enumerate(rules.policies):
        path = f"{field}.policies[{index}]"
        report.one_of(f"{path}.type", policy.type, _POLICY_TYPES)
        report.at_least(f"{path}.value", policy.value, 1)
        report.between(f"{path}.periodSeconds", policy.period_seconds, 1, _PERIOD_MAX_S)


def _check_status(autoscaler: HorizontalPodAutoscaler, report: Report) -> None:
    """Check a HorizontalPodAutoscaler's status."""
    status = autoscaler.status
    check_counts(status, report)
    check_time(status.last_scale_time, "status.lastScaleTime", report)
    check_conditions(status.conditions, report, short=False)
    has_at_most(METRICS_MAX, status.current_metrics, "status.currentMetrics", report)


RULES: Final[Rules[HorizontalPodAutoscaler]] = Rules(
    default=_default, check=_check, check_status=_check_status, keeps_spelling=True
)
