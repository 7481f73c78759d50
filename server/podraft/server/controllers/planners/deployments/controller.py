"""The triggers of the Deployment controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.kinds import DEPLOYMENT, POD, REPLICA_SET, KnownKinds
from podraft.api.objects.pods import is_finished
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import adopters, controllers_of, itself, subject
from podraft.server.controllers.planners.deployments.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "deployments",
        plan,
        {DEPLOYMENT: itself, REPLICA_SET: _owning, POD: _waiting_for_the_end},
        indexes={REPLICA_SET: {BY_ORPHAN_NAMESPACE: namespace_of_orphan}},
        subject=subject(DEPLOYMENT),
        failure="ReplicaSetCreateError",
    )


def _owning(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    yield from controllers_of(DEPLOYMENT, old, new)
    yield from adopters(snapshot, DEPLOYMENT, new)


def _waiting_for_the_end(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield a Recreate Deployment that may have waited for the end of its last old pod."""
    if new is None or (is_finished(new) and old is not None):
        for key in controllers_of(REPLICA_SET, old):
            owner = snapshot.get(REPLICA_SET, key.name, key.namespace)
            for deployment_key in controllers_of(DEPLOYMENT, owner):
                found = snapshot.get(DEPLOYMENT, deployment_key.name, key.namespace)
                if found is not None and found.spec.strategy.type == "Recreate":
                    yield deployment_key
