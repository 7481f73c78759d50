"""The triggers of the Node controller, and how it finds the pods of a node."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from podraft.api.kinds import LEASE, NODE, POD, KnownKinds
from podraft.api.objects import well_known
from podraft.api.objects.taints import NO_EXECUTE
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import itself
from podraft.server.controllers.planners.nodes.plan import BY_NODE, Options, plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    own = Options(options.node_grace_s, options.not_ready_toleration_s)
    return Controller(
        "nodes",
        partial(plan, options=own),
        {NODE: itself, LEASE: _node_of_lease, POD: _troubled_node},
        indexes={POD: {BY_NODE: _index_by_node}},
    )


def _index_by_node(pod: Any) -> Iterator[str]:
    if pod.spec.node_name:
        yield pod.spec.node_name


def _node_of_lease(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield the node of a Lease that appears, or is renewed for a node that counts as lost."""
    metadata = (new or old).metadata
    if metadata.namespace != well_known.NODE_LEASE_NAMESPACE:
        return
    node = snapshot.get(NODE, metadata.name)
    if old is None or new is None or (node is not None and node.spec.taints):
        yield ObjectKey("", metadata.name)


def _troubled_node(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield the node of a pod if it is gone, or the pod may have to leave it."""
    if new is None or not new.spec.node_name:
        return
    node = snapshot.get(NODE, new.spec.node_name)
    if node is None or any(taint.effect == NO_EXECUTE for taint in node.spec.taints):
        yield ObjectKey("", new.spec.node_name)
