"""The triggers of the StatefulSet controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import CONTROLLER_REVISION, POD, STATEFUL_SET, KnownKinds
from podraft.api.objects.pods import is_active, is_finished, ready_condition
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import controllers_of, itself, pods_of, subject
from podraft.server.controllers.planners.stateful_sets.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "stateful-sets",
        plan,
        {
            STATEFUL_SET: itself,
            POD: pods_of(STATEFUL_SET, _matters),
            CONTROLLER_REVISION: _revised,
        },
        indexes={POD: {BY_ORPHAN_NAMESPACE: namespace_of_orphan}},
        pace_s=0.05,
        subject=subject(STATEFUL_SET),
        failure="FailedCreate",
    )


def _revised(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    yield from controllers_of(STATEFUL_SET, old, new)


def _matters(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        is_active(old) != is_active(new)
        or is_finished(old) != is_finished(new)
        or ready_condition(old) != ready_condition(new)
        or old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
    )
