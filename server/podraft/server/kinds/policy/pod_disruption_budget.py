"""PodDisruptionBudgets: how many pods of an application must stay, one way or the other."""

from __future__ import annotations

from typing import Final

from podraft.api.policy.v1.pod_disruption_budget_pb2 import PodDisruptionBudget
from podraft.api.selectors.labels import check_label_selector
from podraft.server.kinds.apps.workloads import check_not_above_all
from podraft.server.kinds.report import Report, check_count_or_percent
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import (
    check_conditions,
    check_counts,
    check_time,
    has_at_most,
)

# What is being ended at one time; the controller forgets those that are gone.
DISRUPTED_MAX: Final = 2000
_EVICTION_POLICIES: Final = ("", "IfHealthyBudget", "AlwaysAllow")


def _check(budget: PodDisruptionBudget, report: Report) -> None:
    """Check a PodDisruptionBudget."""
    spec = budget.spec
    if spec.HasField("min_available") and spec.HasField("max_unavailable"):
        report.add("spec", "must have only one of minAvailable and maxUnavailable")
    elif not spec.HasField("min_available") and not spec.HasField("max_unavailable"):
        report.add("spec", "must have minAvailable or maxUnavailable")
    for name, value in (
        ("minAvailable", spec.min_available),
        ("maxUnavailable", spec.max_unavailable),
    ):
        check_count_or_percent(value, f"spec.{name}", report)
        check_not_above_all(value, f"spec.{name}", report)
    if spec.HasField("selector"):
        check_label_selector(spec.selector, "spec.selector", report)
    policy = spec.unhealthy_pod_eviction_policy
    report.one_of("spec.unhealthyPodEvictionPolicy", policy, _EVICTION_POLICIES)


def _check_status(budget: PodDisruptionBudget, report: Report) -> None:
    """Check a PodDisruptionBudget's status."""
    status = budget.status
    check_counts(status, report)
    check_conditions(status.conditions, report, short=False)
    if has_at_most(DISRUPTED_MAX, status.disrupted_pods, "status.disruptedPods", report):
        for pod, time in status.disrupted_pods.items():
            check_time(time, f"status.disruptedPods[{pod}]", report)


RULES: Final[Rules[PodDisruptionBudget]] = Rules(
    check=_check, check_status=_check_status, keeps_spelling=True
)
