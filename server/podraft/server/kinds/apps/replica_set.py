"""ReplicaSets: a number of pods of one template, whose selector never changes."""

from __future__ import annotations

from typing import Final

from podraft.api.apps.v1.replica_set_pb2 import ReplicaSet
from podraft.api.objects.workloads import DEFAULT_REPLICAS
from podraft.server.kinds.apps.workloads import (
    check_selector_change,
    check_workload,
)
from podraft.server.kinds.core.pod.spec import default_spec
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_conditions, check_counts


def _default(replica_set: ReplicaSet) -> None:
    """Fill in the fields that a ReplicaSet leaves out."""
    spec = replica_set.spec
    if not spec.HasField("replicas"):
        spec.replicas = DEFAULT_REPLICAS
    default_spec(spec.template.spec)


def _check_status(replica_set: ReplicaSet, report: Report) -> None:
    """Check a ReplicaSet's status."""
    status = replica_set.status
    check_counts(status, report)
    check_conditions(status.conditions, report, short=False)


RULES: Final[Rules[ReplicaSet]] = Rules(
    default=_default,
    check=check_workload,
    check_change=check_selector_change,
    check_status=_check_status,
    keeps_spelling=True,
)
