"""Deployments: a rollout's strategy and bounds, over pods of one template."""

from __future__ import annotations

from typing import Final

from podraft.api.apps.v1.deployment_pb2 import Deployment, DeploymentStrategy
from podraft.api.kinds.apps import ROLLING_UPDATE
from podraft.api.meta.v1.meta_pb2 import IntOrString
from podraft.api.objects import workloads
from podraft.server.kinds.apps.workloads import (
    check_not_above_all,
    check_selector_change,
    check_workload,
    is_zero,
)
from podraft.server.kinds.core.pod.spec import default_spec
from podraft.server.kinds.report import Report, check_count_or_percent
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_conditions, check_counts, check_time

_STRATEGIES: Final = ("RollingUpdate", "Recreate")
_DEFAULT_SHARE: Final = IntOrString(type=1, str_val="25%")


def _default(deployment: Deployment) -> None:
    """Fill in the fields that a Deployment leaves out."""
    spec = deployment.spec
    if not spec.HasField("replicas"):
        spec.replicas = workloads.DEFAULT_REPLICAS
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = workloads.DEFAULT_HISTORY_LIMIT
    if not spec.HasField("progress_deadline_seconds"):
        spec.progress_deadline_seconds = workloads.DEFAULT_PROGRESS_DEADLINE_S
    strategy = spec.strategy
    if not strategy.type:
        strategy.type = "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rolling_update
        if not rolling.HasField("max_unavailable"):
            rolling.max_unavailable.CopyFrom(_DEFAULT_SHARE)
        if not rolling.HasField("max_surge"):
            rolling.max_surge.CopyFrom(_DEFAULT_SHARE)
    default_spec(spec.template.spec)


def _check(deployment: Deployment, report: Report) -> None:
    """Check a Deployment."""
    check_workload(deployment, report)
    spec = deployment.spec
    report.at_least("spec.revisionHistoryLimit", spec.revision_history_limit, 0)
    report.at_least("spec.progressDeadlineSeconds", spec.progress_deadline_seconds, 1)
    if spec.progress_deadline_seconds <= spec.min_ready_seconds:
        report.add(
            "spec.progressDeadlineSeconds",
            f"must be more than minReadySeconds ({spec.min_ready_seconds}), "
            f"is {spec.progress_deadline_seconds}",
        )
    _check_strategy(spec.strategy, "spec.strategy", report)


def _check_strategy(strategy: DeploymentStrategy, field: str, report: Report) -> None:
    report.one_of(f"{field}.type", strategy.type, _STRATEGIES)
    if strategy.type != "RollingUpdate":
        if strategy.HasField("rolling_update"):
            report.add(f"{field}.rollingUpdate", 'must only be set when type is "RollingUpdate"')
        return
    rolling, path = strategy.rolling_update, f"{field}.rollingUpdate"
    check_count_or_percent(rolling.max_unavailable, f"{path}.maxUnavailable", report)
    check_count_or_percent(rolling.max_surge, f"{path}.maxSurge", report)
    check_not_above_all(rolling.max_unavailable, f"{path}.maxUnavailable", report)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        report.add(
            f"{path}.maxUnavailable",
            "must not be 0 when maxSurge is 0: no pod could ever be replaced",
        )


def _leave(stored: Deployment, deployment: Deployment) -> None:
    """Remove a rolling update's bounds along with the strategy if a whole update kept them."""
    new = deployment.spec.strategy
    was_read = new.rolling_update == stored.spec.strategy.rolling_update
    if ROLLING_UPDATE.forbids(new.type) and stored.spec.strategy.type != new.type and was_read:
        new.ClearField("rolling_update")


def _check_status(deployment: Deployment, report: Report) -> None:
    """Check a Deployment's status."""
    status = deployment.status
    check_counts(status, report)
    check_conditions(status.conditions, report, short=False)
    for index, condition in enumerate(status.conditions):
        path = f"status.conditions[{index}].lastUpdateTime"
        check_time(condition.last_update_time, path, report)


RULES: Final[Rules[Deployment]] = Rules(
    leave=_leave,
    default=_default,
    check=_check,
    check_change=check_selector_change,
    check_status=_check_status,
    keeps_spelling=True,
)
