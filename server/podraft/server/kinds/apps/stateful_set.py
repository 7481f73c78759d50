"""StatefulSets: numbered pods, of which only some of the spec can change."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.apps.v1.stateful_set_pb2 import (
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from podraft.api.kinds.apps import ROLLING_UPDATE_IN_ORDER
from podraft.api.objects import workloads
from podraft.api.violations import shown
from podraft.server.kinds.apps.workloads import (
    check_not_above_all,
    check_workload,
    is_zero,
)
from podraft.server.kinds.core.pod.spec import default_spec
from podraft.server.kinds.report import Report, check_count_or_percent
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import (
    WORD_MAX,
    check_conditions,
    check_counts,
    check_length,
)
from podraft.server.kinds.shared.volume_claims import check_claim, default_claim

_STRATEGIES: Final = ("RollingUpdate", "OnDelete")
_ORDERS: Final = ("OrderedReady", "Parallel")
_RETENTIONS: Final = ("Retain", "Delete")
_CHANGEABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "update_strategy",
    "revision_history_limit",
    "persistent_volume_claim_retention_policy",
    "min_ready_seconds",
)


def _default(stateful_set: StatefulSet) -> None:
    """Fill in the fields that a StatefulSet leaves out."""
    spec = stateful_set.spec
    if not spec.HasField("replicas"):
        spec.replicas = workloads.DEFAULT_REPLICAS
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = workloads.DEFAULT_HISTORY_LIMIT
    if not spec.pod_management_policy:
        spec.pod_management_policy = "OrderedReady"
    strategy = spec.update_strategy
    if not strategy.type:
        strategy.type = "RollingUpdate"
    if strategy.type == "RollingUpdate" and not strategy.rolling_update.HasField("partition"):
        strategy.rolling_update.partition = 0
    retention = spec.persistent_volume_claim_retention_policy
    if not retention.when_deleted:
        retention.when_deleted = "Retain"
    if not retention.when_scaled:
        retention.when_scaled = "Retain"
    for claim in spec.volume_claim_templates:
        default_claim(claim.spec)
    default_spec(spec.template.spec)


def _check(stateful_set: StatefulSet, report: Report) -> None:
    """Check a StatefulSet."""
    check_workload(stateful_set, report)
    spec = stateful_set.spec
    report.at_least("spec.revisionHistoryLimit", spec.revision_history_limit, 0)
    report.one_of("spec.podManagementPolicy", spec.pod_management_policy, _ORDERS)
    report.at_least("spec.ordinals.start", spec.ordinals.start, 0)
    if spec.service_name:
        problem = names.dns_label_1035(spec.service_name)
        report.name("spec.serviceName", spec.service_name, problem)
    _check_strategy(spec.update_strategy, "spec.updateStrategy", report)
    _check_retention(spec.persistent_volume_claim_retention_policy, report)
    _check_claims(spec, report)


def _check_claims(spec: StatefulSetSpec, report: Report) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(spec.volume_claim_templates):
        path, name = f"spec.volumeClaimTemplates[{index}]", claim.metadata.name
        report.name(f"{path}.metadata.name", name, names.dns_label(name))
        if name in seen:
            report.add(f"{path}.metadata.name", f"duplicate: {shown(name)} is listed already")
        seen.add(name)
        check_claim(claim.spec, f"{path}.spec", report)


def _check_strategy(strategy: StatefulSetUpdateStrategy, field: str, report: Report) -> None:
    report.one_of(f"{field}.type", strategy.type, _STRATEGIES)
    if strategy.type != "RollingUpdate":
        if strategy.HasField("rolling_update"):
            report.add(f"{field}.rollingUpdate", 'must only be set when type is "RollingUpdate"')
        return
    rolling, path = strategy.rolling_update, f"{field}.rollingUpdate"
    report.at_least(f"{path}.partition", rolling.partition, 0)
    if rolling.HasField("max_unavailable"):
        check_count_or_percent(rolling.max_unavailable, f"{path}.maxUnavailable", report)
        check_not_above_all(rolling.max_unavailable, f"{path}.maxUnavailable", report)
        if is_zero(rolling.max_unavailable):
            report.add(f"{path}.maxUnavailable", "must not be 0: no pod could ever be replaced")


def _check_retention(
    policy: StatefulSetPersistentVolumeClaimRetentionPolicy, report: Report
) -> None:
    path = "spec.persistentVolumeClaimRetentionPolicy"
    report.one_of(f"{path}.whenDeleted", policy.when_deleted, _RETENTIONS)
    report.one_of(f"{path}.whenScaled", policy.when_scaled, _RETENTIONS)


def _check_change(stored: StatefulSet, stateful_set: StatefulSet, report: Report) -> None:
    """Check that only what can change without other pods or storage has changed."""
    before, after = StatefulSetSpec(), StatefulSetSpec()
    for part, whole in ((before, stored), (after, stateful_set)):
        part.CopyFrom(whole.spec)
        for field in _CHANGEABLE:
            part.ClearField(field)
    for described in StatefulSetSpec.DESCRIPTOR.fields:
        if getattr(before, described.name) != getattr(after, described.name):
            report.add(
                f"spec.{described.json_name}",
                "cannot be changed: make a new object under another name",
            )


def _leave(stored: StatefulSet, stateful_set: StatefulSet) -> None:
    """Remove a rolling update's bounds along with the strategy if a whole update kept them."""
    new, old = stateful_set.spec.update_strategy, stored.spec.update_strategy
    was_read = new.rolling_update == old.rolling_update
    if ROLLING_UPDATE_IN_ORDER.forbids(new.type) and old.type != new.type and was_read:
        new.ClearField("rolling_update")


def _check_status(stateful_set: StatefulSet, report: Report) -> None:
    """Check a StatefulSet's status."""
    status = stateful_set.status
    check_counts(status, report)
    check_length(status.current_revision, WORD_MAX, "status.currentRevision", report)
    check_length(status.update_revision, WORD_MAX, "status.updateRevision", report)
    check_conditions(status.conditions, report, short=False)


RULES: Final[Rules[StatefulSet]] = Rules(
    # Its pods' host names begin with its name.
    check_name=names.dns_label,
    leave=_leave,
    default=_default,
    check=_check,
    check_change=_check_change,
    check_status=_check_status,
    keeps_spelling=True,
)
