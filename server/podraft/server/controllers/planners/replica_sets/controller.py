"""The ReplicaSet controller: its triggers, and what it plans."""

from __future__ import annotations

from podraft.api.kinds import POD, REPLICA_SET, KnownKinds
from podraft.api.moments import Now
from podraft.server.controllers.core import replicated
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Plan, Snapshot
from podraft.server.controllers.core.triggers import itself, pods_of, subject


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "replica-sets",
        plan,
        {REPLICA_SET: itself, POD: pods_of(REPLICA_SET, replicated.matters)},
        indexes={POD: {BY_ORPHAN_NAMESPACE: namespace_of_orphan}},
        pace_s=0.05,
        workers=4,
        subject=subject(REPLICA_SET),
        failure="FailedCreate",
    )


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one ReplicaSet."""
    return replicated.plan(snapshot, REPLICA_SET, key, now)
