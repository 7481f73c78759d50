"""The triggers of the controller of ClusterRoles: any of them may be gathered by another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.kinds import CLUSTER_ROLE, KnownKinds
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import key_of
from podraft.server.controllers.planners.cluster_roles.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller("cluster-roles", plan, {CLUSTER_ROLE: _gathering}, pace_s=1.0, workers=1)


def _gathering(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield the roles that gather others, if something changed that they may gather."""
    if old is not None and new is not None and _is_same(old, new):
        return
    for role in snapshot.list(CLUSTER_ROLE):
        if role.HasField("aggregation_rule"):
            yield key_of(role)


def _is_same(old: Any, new: Any) -> bool:
    same_labels = dict(old.metadata.labels) == dict(new.metadata.labels)
    same_rules = list(old.rules) == list(new.rules)
    return same_labels and same_rules and old.aggregation_rule == new.aggregation_rule
