"""The decisions about PodDisruptionBudgets: how many of the pods may be ended on purpose now.

Owns: a budget's status.  Evictions take from it in their own transactions
(`registry.writes.eviction`) and note the pod in ``disruptedPods``.

Invariants: a pod whose eviction was allowed is not counted as healthy again until it is seen to
end, or until it is clear that it does not; what cannot be counted allows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from podraft.api import times
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.kinds import POD, POD_DISRUPTION_BUDGET
from podraft.api.meta.v1.meta_pb2 import Time
from podraft.api.moments import Now
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished, is_ready
from podraft.api.policy.v1.pod_disruption_budget_pb2 import (
    PodDisruptionBudget,
    PodDisruptionBudgetStatus,
)
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_NAMESPACE
from podraft.server.controllers.core.plan import ObjectKey, Plan, Snapshot
from podraft.server.controllers.planners.disruption_budgets.expected import (
    UncountableError,
    expected_pods,
    share,
)

ALLOWED: Final = "DisruptionAllowed"
# An allowed eviction whose pod has not begun to end by then did not come about.
_EVICTED_WITHIN_S: Final = 120.0


class Counted(NamedTuple):
    """The numbers of a budget."""

    expected: int
    desired: int


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Write a budget's status, if it is another one."""
    budget = snapshot.get(POD_DISRUPTION_BUDGET, key.name, key.namespace)
    if budget is None or is_deleting(budget.metadata):
        return Plan()
    pods = _covered(snapshot, budget)
    leaving = _leaving(budget.status.disrupted_pods, pods, now)
    status = _status(snapshot, budget, pods, leaving, now)
    ages = [now.age_s(times.seconds_of(time)) for time in leaving.values()]
    again_s = max(1.0, _EVICTED_WITHIN_S - max(ages)) if ages else None
    if status == budget.status:
        return Plan(requeue_after_s=again_s)
    changed = objects.copied(budget)
    changed.status.CopyFrom(status)
    # An eviction that came in between makes this write fail: its pod is never forgotten.
    return Plan((writes.update_status(changed),), requeue_after_s=again_s)


def _covered(snapshot: Snapshot, budget: PodDisruptionBudget) -> list[Pod]:
    """Return the pods that a budget is about, but those that have ended."""
    if not budget.spec.HasField("selector"):
        return []
    selector = objects.selector_of(budget.spec.selector)
    pods = snapshot.by_index(POD, BY_NAMESPACE, budget.metadata.namespace)
    return [pod for pod in pods if not is_finished(pod) and selector.matches(pod.metadata.labels)]


def _leaving(noted: Mapping[str, Time], pods: Sequence[Pod], now: Now) -> dict[str, Time]:
    """Return the evicted pods whose end is still to be seen, with the times of their evictions."""
    leaving = {}
    for pod in pods:
        time = noted.get(pod.metadata.name)
        if time is None or is_deleting(pod.metadata):
            continue
        evicted_s = times.seconds_of(time)
        # A later one of the same name was not evicted.
        is_another = times.seconds_of(pod.metadata.creation_timestamp) > evicted_s
        if not is_another and now.age_s(evicted_s) < _EVICTED_WITHIN_S:
            leaving[pod.metadata.name] = time
    return leaving


def _status(
    snapshot: Snapshot,
    budget: PodDisruptionBudget,
    pods: Sequence[Pod],
    leaving: Mapping[str, Time],
    now: Now,
) -> PodDisruptionBudgetStatus:
    healthy = sum(
        is_ready(pod) and not is_deleting(pod.metadata) and pod.metadata.name not in leaving
        for pod in pods
    )
    status = PodDisruptionBudgetStatus(
        observed_generation=budget.metadata.generation,
        current_healthy=healthy,
        disruptions_allowed=0,
        conditions=budget.status.conditions,
    )
    for name, time in leaving.items():
        status.disrupted_pods[name].CopyFrom(time)
    try:
        counted = count(snapshot, budget, pods)
    except UncountableError as error:
        status.expected_pods = budget.status.expected_pods
        status.desired_healthy = budget.status.desired_healthy
        _note(status, "SyncFailed", str(error), now)
        return status
    status.expected_pods, status.desired_healthy = counted
    if counted.expected:
        status.disruptions_allowed = max(0, healthy - counted.desired)
    reason = "SufficientPods" if status.disruptions_allowed else "InsufficientPods"
    _note(status, reason, "", now)
    return status


def count(snapshot: Snapshot, budget: PodDisruptionBudget, pods: Sequence[Pod]) -> Counted:
    """Return how many pods there should be, and how many must be healthy.

    Raises:
        UncountableError: That cannot be found out.
    """
    spec = budget.spec
    if spec.HasField("max_unavailable"):
        expected = expected_pods(snapshot, pods)
        return Counted(expected, max(0, expected - share(spec.max_unavailable, expected)))
    if spec.min_available.type == 0:
        return Counted(len(pods), share(spec.min_available, len(pods)))
    expected = expected_pods(snapshot, pods)
    return Counted(expected, share(spec.min_available, expected))


def _note(status: PodDisruptionBudgetStatus, reason: str, message: str, now: Now) -> None:
    """Set the condition that says whether a pod may be ended now, and why not."""
    value = conditions.TRUE if status.disruptions_allowed else conditions.FALSE
    conditions.set_condition(
        status.conditions, ALLOWED, value, objects.time_of(now), reason=reason, message=message
    )
    found = conditions.find(status.conditions, ALLOWED)
    if found is not None:
        found.observed_generation = status.observed_generation
