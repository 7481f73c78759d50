"""The kinds of ``autoscaling``, ``policy`` and ``scheduling.k8s.io``: how workloads are treated.

Owns: their entries.  Invariant: a kind that pods name comes before the workloads, a kind that
names workloads after them.
"""

from __future__ import annotations

from typing import Final

from podraft.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order
from podraft.api.policy.v1 import pod_disruption_budget_pb2
from podraft.api.scheduling.v1 import priority_class_pb2

PRIORITY_CLASS = Kind(
    message=priority_class_pb2.PriorityClass,
    api_version="scheduling.k8s.io/v1",
    resource="priorityclasses",
    short_names=("pc",),
    namespaced=False,
    order=Order.CONFIG,
)
POD_DISRUPTION_BUDGET = Kind(
    message=pod_disruption_budget_pb2.PodDisruptionBudget,
    api_version="policy/v1",
    resource="poddisruptionbudgets",
    short_names=("pdb",),
    order=Order.NETWORK,
    subresources=("status",),
)
HORIZONTAL_POD_AUTOSCALER = Kind(
    message=horizontal_pod_autoscaler_pb2.HorizontalPodAutoscaler,
    api_version="autoscaling/v2",
    resource="horizontalpodautoscalers",
    short_names=("hpa",),
    order=Order.WORKLOADS,
    subresources=("status",),
    categories=("all",),
)

KINDS: Final[tuple[AnyKind, ...]] = (
    PRIORITY_CLASS,
    POD_DISRUPTION_BUDGET,
    HORIZONTAL_POD_AUTOSCALER,
)
