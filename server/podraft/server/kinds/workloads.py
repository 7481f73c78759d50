"""ReplicaSets and Deployments: defaults, rules, and a selector that never changes."""

from __future__ import annotations

from typing import TypeAlias

from podraft.api import selectors
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.type_fields import forbids_rolling_update
from podraft.server.kinds.pods import check_template, default_spec
from podraft.server.kinds.report import Report, check_count_or_percent

Workload: TypeAlias = replica_set_pb2.ReplicaSet | deployment_pb2.Deployment

_STRATEGIES = ("RollingUpdate", "Recreate")
_DEFAULT_SHARE = meta_pb2.IntOrString(type=1, str_val="25%")
_HISTORY_LIMIT = 10
_PROGRESS_DEADLINE_S = 600


def default_replica_set(replica_set: replica_set_pb2.ReplicaSet) -> None:
    """Fill in what a ReplicaSet does not say."""
    spec = replica_set.spec
    if not spec.HasField("replicas"):
        spec.replicas = 1
    default_spec(spec.template.spec)


def default_deployment(deployment: deployment_pb2.Deployment) -> None:
    """Fill in what a Deployment does not say."""
    spec = deployment.spec
    if not spec.HasField("replicas"):
        spec.replicas = 1
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = _HISTORY_LIMIT
    if not spec.HasField("progress_deadline_seconds"):
        spec.progress_deadline_seconds = _PROGRESS_DEADLINE_S
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


def check_replica_set(replica_set: replica_set_pb2.ReplicaSet, report: Report) -> None:
    """Check a ReplicaSet."""
    _check_common(replica_set, report)


def check_deployment(deployment: deployment_pb2.Deployment, report: Report) -> None:
    """Check a Deployment."""
    _check_common(deployment, report)
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


def _check_common(workload: Workload, report: Report) -> None:
    spec = workload.spec
    report.at_least("spec.replicas", spec.replicas, 0)
    report.at_least("spec.minReadySeconds", spec.min_ready_seconds, 0)
    _check_selector(spec.selector, spec.template.metadata, report)
    check_template(spec.template, "spec.template", report)


def _check_selector(
    selector: meta_pb2.LabelSelector, template: meta_pb2.ObjectMeta, report: Report
) -> None:
    if not selector.match_labels and not selector.match_expressions:
        report.add("spec.selector", "is required, and must not be empty")
        return
    faults_before = len(report.violations)
    selectors.check_label_selector(selector, "spec.selector", report)
    if len(report.violations) > faults_before:
        return
    compiled = selectors.label_selector_of(selector, "spec.selector")
    if not compiled.matches(template.labels):
        labels = ",".join(f"{key}={value}" for key, value in sorted(template.labels.items()))
        report.add(
            "spec.template.metadata.labels",
            f"must match spec.selector ({compiled}), are {labels or 'none'}",
        )


def _check_strategy(
    strategy: deployment_pb2.DeploymentStrategy, field: str, report: Report
) -> None:
    report.one_of(f"{field}.type", strategy.type, _STRATEGIES)
    if strategy.type != "RollingUpdate":
        if strategy.HasField("rolling_update"):
            report.add(f"{field}.rollingUpdate", 'must only be set when type is "RollingUpdate"')
        return
    rolling, path = strategy.rolling_update, f"{field}.rollingUpdate"
    check_count_or_percent(rolling.max_unavailable, f"{path}.maxUnavailable", report)
    check_count_or_percent(rolling.max_surge, f"{path}.maxSurge", report)
    unavailable = _percent(rolling.max_unavailable)
    if unavailable is not None and unavailable > 100:
        report.add(f"{path}.maxUnavailable", f"must be at most 100%, is {unavailable}%")
    if _is_zero(rolling.max_unavailable) and _is_zero(rolling.max_surge):
        report.add(
            f"{path}.maxUnavailable",
            "must not be 0 when maxSurge is 0: no pod could ever be replaced",
        )


def _percent(value: meta_pb2.IntOrString) -> int | None:
    digits = value.str_val.removesuffix("%")
    return int(digits) if value.type == 1 and digits.isdecimal() and len(digits) < 10 else None


def _is_zero(value: meta_pb2.IntOrString) -> bool:
    return _percent(value) == 0 if value.type == 1 else value.int_val == 0


def leave_with_strategy(
    stored: deployment_pb2.Deployment, deployment: deployment_pb2.Deployment
) -> None:
    """Let a rolling update's bounds go with the strategy, where a whole update only read them."""
    new = deployment.spec.strategy
    was_read = new.rolling_update == stored.spec.strategy.rolling_update
    if forbids_rolling_update(new.type) and stored.spec.strategy.type != new.type and was_read:
        new.ClearField("rolling_update")


def check_change(stored: Workload, workload: Workload, report: Report) -> None:
    """Check that the selector is the one that the pods were made for."""
    if stored.spec.selector != workload.spec.selector:
        report.add("spec.selector", "cannot be changed: make a new object under another name")
