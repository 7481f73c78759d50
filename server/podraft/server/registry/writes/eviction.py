"""The effect of an eviction on the disruption budgets that cover the pod: one pure function.

Owns: when a pod may be ended on purpose, and what that takes from a budget.

Invariant: of the pods that a budget covers, no more are evicted than it allowed when it was counted
last; a pod whose end takes nothing from its application (finished, never started, ending already)
is no matter of budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from podraft.api import times
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished, is_ready
from podraft.api.policy.v1.pod_disruption_budget_pb2 import PodDisruptionBudget
from podraft.api.selectors.labels import label_selector_of
from podraft.server.kinds.policy.pod_disruption_budget import DISRUPTED_MAX
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.state.datastore import Record

_ALWAYS: Final = "AlwaysAllow"
_PENDING: Final = "Pending"


def is_free(pod: Pod) -> bool:
    """Return whether a pod may be ended whatever budgets say."""
    return is_deleting(pod.metadata) or is_finished(pod) or pod.status.phase in ("", _PENDING)


def covering(
    pod: Pod, records: Sequence[Record], budget_of: Callable[[Record], PodDisruptionBudget]
) -> list[bytes]:
    """Return the keys of those budgets of the pod's namespace that are about the pod."""
    return [record.key for record in records if _covers(budget_of(record), pod)]


def _covers(budget: PodDisruptionBudget, pod: Pod) -> bool:
    if not budget.spec.HasField("selector"):
        return False
    return label_selector_of(budget.spec.selector).matches(pod.metadata.labels)


def charged(
    pod: Pod, budgets: Sequence[PodDisruptionBudget], now: datetime
) -> PodDisruptionBudget | None:
    """Return the budget that the eviction of ``pod`` is charged to, after that; None: to none.

    ``budgets`` are those that cover the pod.

    Raises:
        RefusedError: The pod may not be evicted now.
    """
    if not budgets:
        return None
    what = f'pods "{pod.metadata.name}" in namespace "{pod.metadata.namespace}"'
    if len(budgets) > 1:
        names = ", ".join(sorted(budget.metadata.name for budget in budgets))
        raise RefusedError(
            Code.FAILED_PRECONDITION,
            f"{what} is covered by several disruption budgets ({names}): let one cover it",
        )
    budget, status = budgets[0], budgets[0].status
    if not is_ready(pod):
        enough = 0 < status.desired_healthy <= status.current_healthy
        if enough or budget.spec.unhealthy_pod_eviction_policy == _ALWAYS:
            return None
    name = f'{what}: disruption budget "{budget.metadata.name}"'
    if status.observed_generation < budget.metadata.generation:
        raise RefusedError(
            Code.RESOURCE_EXHAUSTED, f"{name} has not been counted since it was changed; try later"
        )
    if len(status.disrupted_pods) >= DISRUPTED_MAX:
        raise RefusedError(
            Code.RESOURCE_EXHAUSTED, f"{name} has too many pods that are ending; try later"
        )
    if status.disruptions_allowed < 1:
        raise RefusedError(
            Code.RESOURCE_EXHAUSTED,
            f"{name} needs {status.desired_healthy} healthy pods and has "
            f"{status.current_healthy}; try later",
        )
    after = PodDisruptionBudget()
    after.CopyFrom(budget)
    after.status.disruptions_allowed -= 1
    after.status.disrupted_pods[pod.metadata.name].CopyFrom(times.time_of(now))
    return after
