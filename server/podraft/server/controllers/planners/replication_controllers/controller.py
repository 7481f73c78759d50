"""The ReplicationController controller: its triggers, and what it plans."""

from __future__ import annotations

from podraft.api.kinds import POD, REPLICATION_CONTROLLER, KnownKinds
from podraft.api.moments import Now
from podraft.server.controllers.core import replicated
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Plan, Snapshot
from podraft.server.controllers.core.triggers import itself, pods_of, subject


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "replication-controllers",
        plan,
        {REPLICATION_CONTROLLER: itself, POD: pods_of(REPLICATION_CONTROLLER, replicated.matters)},
        indexes={POD: {BY_ORPHAN_NAMESPACE: namespace_of_orphan}},
        pace_s=0.05,
        subject=subject(REPLICATION_CONTROLLER),
        failure="FailedCreate",
    )


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one ReplicationController."""
    return replicated.plan(snapshot, REPLICATION_CONTROLLER, key, now)
