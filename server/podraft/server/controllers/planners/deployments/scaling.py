"""The number of replicas that each replica set should have while only the total changes.

Owns: the bounds (surge, unavailable) and the proportional distribution of a new total
over the replica sets of a rollout in progress, as Kubernetes does it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known, workloads
from podraft.server.controllers.core import objects
from podraft.server.controllers.planners.deployments.history import History

_DEFAULT_PERCENT = "25"
# The bound of admission: longer ones are from before that rule.
_DIGITS_MAX = 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds by which a rollout may deviate from the wanted number of pods."""

    replicas: int
    max_surge: int
    max_unavailable: int

    @property
    def total_max(self) -> int:
        """The most pods there may be, terminating ones aside."""
        return self.replicas + self.max_surge

    @property
    def available_min(self) -> int:
        """The fewest available pods that the rollout leaves."""
        return self.replicas - self.max_unavailable


def bounds_of(deployment: deployment_pb2.Deployment) -> Bounds:
    """Return the bounds: percentages of surge are rounded up, of unavailable down."""
    spec = deployment.spec
    replicas = workloads.replicas(spec)
    if spec.strategy.type == "Recreate":
        return Bounds(replicas, 0, replicas)
    rolling = spec.strategy.rolling_update
    surge = _resolve(rolling, "max_surge", replicas, round_up=True)
    unavailable = _resolve(rolling, "max_unavailable", replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        # Small percentages of few replicas: without this the rollout could not move.
        unavailable = 1
    return Bounds(replicas, surge, min(unavailable, replicas))


def _resolve(
    rolling: deployment_pb2.RollingUpdateDeployment, field: str, replicas: int, *, round_up: bool
) -> int:
    text = _DEFAULT_PERCENT
    if rolling.HasField(field):
        value: meta_pb2.IntOrString = getattr(rolling, field)
        if value.type == 0:
            return value.int_val
        digits = value.str_val.removesuffix("%")
        if digits.isascii() and digits.isdigit() and len(digits) < _DIGITS_MAX:
            text = digits
    share = replicas * int(text) / 100
    return math.ceil(share) if round_up else math.floor(share)


def is_scaling(deployment: deployment_pb2.Deployment, history: History) -> bool:
    """Return whether ``spec.replicas`` changed since the replica sets were last sized."""
    wanted = bounds_of(deployment).replicas
    for replica_set in history.all:
        if replica_set.spec.replicas:
            desired = workloads.number(
                replica_set.metadata.annotations, well_known.DESIRED_REPLICAS
            )
            if desired is not None and desired != wanted:
                return True
    return False


def scaled(deployment: deployment_pb2.Deployment, history: History) -> dict[str, int]:
    """Return the sizes (by replica set's name) that fit the new total."""
    bounds = bounds_of(deployment)
    only = _active_or_latest(history)
    if only is not None:
        return {only.metadata.name: bounds.replicas}
    if _is_saturated(history.new, bounds.replicas):
        return {rs.metadata.name: 0 for rs in history.old if rs.spec.replicas}
    if deployment.spec.strategy.type == "Recreate":
        return {}
    return _proportional(deployment, history, bounds)


def _active_or_latest(history: History) -> replica_set_pb2.ReplicaSet | None:
    """Return the one replica set to size if at most one has pods."""
    active = [rs for rs in history.all if rs.spec.replicas]
    match len(active):
        case 0:
            return history.new or (history.old[-1] if history.old else None)
        case 1:
            return active[0]
        case _:
            return None


def _is_saturated(new: replica_set_pb2.ReplicaSet | None, replicas: int) -> bool:
    """Return whether the current replica set has and runs all the pods that are wanted."""
    return (
        new is not None
        and new.spec.replicas == replicas
        and workloads.number(new.metadata.annotations, well_known.DESIRED_REPLICAS) == replicas
        and new.status.available_replicas == replicas
    )


def _proportional(
    deployment: deployment_pb2.Deployment, history: History, bounds: Bounds
) -> dict[str, int]:
    active = [rs for rs in history.all if rs.spec.replicas]
    total = sum(rs.spec.replicas for rs in active)
    to_add = (bounds.total_max if bounds.replicas else 0) - total
    ordered = _by_size(active, newest_first=to_add > 0)
    sizes: dict[str, int] = {}
    added = 0
    for replica_set in ordered:
        share = _share(deployment, replica_set, bounds, to_add, added)
        sizes[replica_set.metadata.name] = replica_set.spec.replicas + share
        added += share
    if ordered:
        # The remainder of rounding goes to the largest.
        largest = ordered[0].metadata.name
        sizes[largest] = max(0, sizes[largest] + to_add - added)
    return sizes


def _by_size(
    replica_sets: Sequence[replica_set_pb2.ReplicaSet], *, newest_first: bool
) -> list[replica_set_pb2.ReplicaSet]:
    ordered = objects.oldest_first(replica_sets)
    if newest_first:
        ordered.reverse()
    return sorted(ordered, key=lambda rs: -rs.spec.replicas)


def _share(
    deployment: deployment_pb2.Deployment,
    replica_set: replica_set_pb2.ReplicaSet,
    bounds: Bounds,
    to_add: int,
    added: int,
) -> int:
    """Return this replica set's part of ``to_add``, never more than is left of it."""
    left = to_add - added
    if not left:
        return 0
    size = replica_set.spec.replicas
    if not bounds.replicas:
        fraction = -size
    else:
        before = workloads.number(replica_set.metadata.annotations, well_known.REPLICAS_MAX)
        before = before or deployment.status.replicas or size
        fraction = math.floor(size * bounds.total_max / before + 0.5) - size
    return min(fraction, left) if to_add > 0 else max(fraction, left)
