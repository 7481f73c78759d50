"""The triggers of the ReplicaSet controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import POD, REPLICA_SET, KnownKinds
from podraft.api.objects.pods import is_active, ready_condition
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import adopters, controllers_of, itself, subject
from podraft.server.controllers.planners.replica_sets.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "replica-sets",
        plan,
        {REPLICA_SET: itself, POD: _owning},
        indexes={POD: {BY_ORPHAN_NAMESPACE: namespace_of_orphan}},
        pace_s=0.05,
        workers=4,
        subject=subject(REPLICA_SET),
        failure="FailedCreate",
    )


def _owning(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    if old is not None and new is not None and not _matters(old, new):
        return
    yield from controllers_of(REPLICA_SET, old, new)
    yield from adopters(snapshot, REPLICA_SET, new)


def _matters(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        is_active(old) != is_active(new)
        or ready_condition(old) != ready_condition(new)
        or old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
    )
