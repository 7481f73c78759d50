"""The triggers of the controller of PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.kinds import POD, POD_DISRUPTION_BUDGET, AnyKind, KnownKinds
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished, is_ready
from podraft.api.scales import wanted_replicas
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_NAMESPACE
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import itself, key_of
from podraft.server.controllers.planners.disruption_budgets.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    scaled = {kind: partial(_scaled, kind) for kind in known if kind.scale is not None}
    return Controller(
        "disruption-budgets",
        plan,
        {**scaled, POD_DISRUPTION_BUDGET: itself, POD: _covering},
        pace_s=0.05,
    )


def _covering(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield the budgets that are about a pod, before or after a change that counts."""
    if old is not None and new is not None and not _matters(old, new):
        return
    labels = [pod.metadata.labels for pod in (old, new) if pod is not None]
    namespace = (new or old).metadata.namespace
    for budget in snapshot.by_index(POD_DISRUPTION_BUDGET, BY_NAMESPACE, namespace):
        if budget.spec.HasField("selector"):
            selector = objects.selector_of(budget.spec.selector)
            if any(map(selector.matches, labels)):
                yield key_of(budget)


def _scaled(kind: AnyKind, snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield the budgets near an object that comes, goes, or wants another number of pods."""
    if old is not None and new is not None and _wanted(kind, old) == _wanted(kind, new):
        return
    namespace = (new or old).metadata.namespace
    yield from map(key_of, snapshot.by_index(POD_DISRUPTION_BUDGET, BY_NAMESPACE, namespace))


def _wanted(kind: AnyKind, obj: Any) -> tuple[int, list[Any]]:
    return wanted_replicas(kind, obj), list(obj.metadata.owner_references)


def _matters(old: Pod, new: Pod) -> bool:
    return (
        is_ready(old) != is_ready(new)
        or is_finished(old) != is_finished(new)
        or is_deleting(old.metadata) != is_deleting(new.metadata)
        or old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
    )
