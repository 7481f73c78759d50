"""The triggers of the DaemonSet controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.kinds import CONTROLLER_REVISION, DAEMON_SET, NODE, POD, KnownKinds
from podraft.api.objects.pods import is_active, is_finished, ready_condition
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import (
    controllers_of,
    itself,
    key_of,
    pods_of,
    subject,
)
from podraft.server.controllers.planners.daemon_sets.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "daemon-sets",
        plan,
        {
            DAEMON_SET: itself,
            POD: pods_of(DAEMON_SET, _matters),
            NODE: _all,
            CONTROLLER_REVISION: _revised,
        },
        indexes={POD: {BY_ORPHAN_NAMESPACE: namespace_of_orphan}},
        pace_s=0.05,
        subject=subject(DAEMON_SET),
        failure="FailedCreate",
    )


def _revised(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    yield from controllers_of(DAEMON_SET, old, new)


def _all(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield every daemon set when a node comes, goes, or becomes another one to choose from."""
    if old is not None and new is not None and not _is_another(old, new):
        return
    yield from map(key_of, snapshot.list(DAEMON_SET))


def _is_another(old: node_pb2.Node, new: node_pb2.Node) -> bool:
    return (
        old.metadata.labels != new.metadata.labels
        or old.spec.taints != new.spec.taints
        or old.spec.unschedulable != new.spec.unschedulable
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
    )


def _matters(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        is_active(old) != is_active(new)
        or is_finished(old) != is_finished(new)
        or ready_condition(old) != ready_condition(new)
        or old.spec.node_name != new.spec.node_name
        or old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
    )
