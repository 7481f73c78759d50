"""DaemonSets: one pod of a template on each node, replaced node by node."""

from __future__ import annotations

from typing import Final

from podraft.api.apps.v1.daemon_set_pb2 import DaemonSet, RollingUpdateDaemonSet
from podraft.api.objects import workloads
from podraft.server.kinds.apps.workloads import (
    check_not_above_all,
    check_pods,
    check_selector_change,
    is_zero,
)
from podraft.server.kinds.core.pod.spec import default_spec
from podraft.server.kinds.report import Report, check_count_or_percent
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_conditions, check_counts

_STRATEGIES: Final = ("RollingUpdate", "OnDelete")


def _default(daemon_set: DaemonSet) -> None:
    """Fill in the fields that a DaemonSet leaves out."""
    spec = daemon_set.spec
    if not spec.HasField("revision_history_limit"):
        spec.revision_history_limit = workloads.DEFAULT_HISTORY_LIMIT
    strategy = spec.update_strategy
    if not strategy.type:
        strategy.type = "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rolling_update
        if not rolling.HasField("max_unavailable"):
            rolling.max_unavailable.type, rolling.max_unavailable.int_val = 0, 1
        if not rolling.HasField("max_surge"):
            rolling.max_surge.type, rolling.max_surge.int_val = 0, 0
    default_spec(spec.template.spec)


def _check(daemon_set: DaemonSet, report: Report) -> None:
    """Check a DaemonSet."""
    check_pods(daemon_set, report)
    spec = daemon_set.spec
    report.at_least("spec.revisionHistoryLimit", spec.revision_history_limit, 0)
    strategy, path = spec.update_strategy, "spec.updateStrategy"
    report.one_of(f"{path}.type", strategy.type, _STRATEGIES)
    if strategy.type == "RollingUpdate":
        _check_rolling(strategy.rolling_update, f"{path}.rollingUpdate", report)


def _check_rolling(rolling: RollingUpdateDaemonSet, path: str, report: Report) -> None:
    for name, value in (
        ("maxUnavailable", rolling.max_unavailable),
        ("maxSurge", rolling.max_surge),
    ):
        check_count_or_percent(value, f"{path}.{name}", report)
        check_not_above_all(value, f"{path}.{name}", report)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        what = "must not be 0 when maxSurge is 0: no pod could ever be replaced"
        report.add(f"{path}.maxUnavailable", what)
    elif not is_zero(rolling.max_unavailable) and not is_zero(rolling.max_surge):
        what = "must be 0 when maxUnavailable is not: a node's old pod goes either first or last"
        report.add(f"{path}.maxSurge", what)


def _check_status(daemon_set: DaemonSet, report: Report) -> None:
    """Check a DaemonSet's status."""
    check_counts(daemon_set.status, report)
    check_conditions(daemon_set.status.conditions, report, short=False)


RULES: Final[Rules[DaemonSet]] = Rules(
    default=_default,
    check=_check,
    check_change=check_selector_change,
    check_status=_check_status,
    keeps_spelling=True,
)
