"""The number of replicas that each replica set should have in a rollout's next step.

Owns: RollingUpdate's two rules, as Kubernetes has them: the new replica set grows as far
as the surge allows; old ones shrink, unhealthy pods first, as far as availability allows.

Invariant: no step allows more than ``total_max`` pods, and none takes an available old
pod while that leaves fewer than ``available_min`` available ones.
"""

from __future__ import annotations

from podraft.api.apps.v1 import replica_set_pb2
from podraft.server.controllers.planners.deployments.history import History
from podraft.server.controllers.planners.deployments.scaling import Bounds


def new_size(history: History, bounds: Bounds) -> int:
    """Return the size of the current template's replica set in the next step."""
    size = history.new.spec.replicas if history.new is not None else 0
    if size >= bounds.replicas:
        return bounds.replicas
    # Pods that an old replica set has not deleted yet still count: the surge is a bound on
    # pods, not on wishes.
    total = sum(max(rs.spec.replicas, rs.status.replicas) for rs in history.all)
    return size + max(0, min(bounds.total_max - total, bounds.replicas - size))


def old_sizes(history: History, bounds: Bounds) -> dict[str, int]:
    """Return the sizes of the old replica sets that shrink in the next step."""
    sizes = {rs.metadata.name: rs.spec.replicas for rs in history.old if rs.spec.replicas}
    before = dict(sizes)
    total = sum(rs.spec.replicas for rs in history.all)
    new_unavailable = 0
    if history.new is not None:
        new_unavailable = max(0, history.new.spec.replicas - _available(history.new))
    budget = total - bounds.available_min - new_unavailable
    if budget > 0:
        _remove_unhealthy(history, sizes, budget)
        _remove_available(history, sizes, bounds)
    return {name: size for name, size in sizes.items() if size != before[name]}


def _available(replica_set: replica_set_pb2.ReplicaSet) -> int:
    """Return the number of pods that are available and are not about to be deleted."""
    return min(replica_set.status.available_replicas, replica_set.spec.replicas)


def _remove_unhealthy(history: History, sizes: dict[str, int], budget: int) -> None:
    """Take pods that serve nobody first: a broken old version must not hold up its repair."""
    for replica_set in history.old:
        name = replica_set.metadata.name
        unhealthy = sizes.get(name, 0) - _available(replica_set)
        taken = min(budget, unhealthy)
        if taken > 0:
            sizes[name] -= taken
            budget -= taken


def _remove_available(history: History, sizes: dict[str, int], bounds: Bounds) -> None:
    spare = sum(_available(rs) for rs in history.all) - bounds.available_min
    for replica_set in history.old:
        if spare <= 0:
            return
        name = replica_set.metadata.name
        taken = min(sizes.get(name, 0), spare)
        if taken:
            sizes[name] -= taken
            spare -= taken
