"""The triggers of the Namespace controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.kinds import NAMESPACE, KnownKinds
from podraft.api.objects.deletion import is_deleting
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import itself
from podraft.server.controllers.planners.namespaces.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller, which changes inside a namespace also trigger."""
    inside = {kind: _ending_namespace for kind in known if kind.namespaced}
    return Controller("namespaces", plan, {NAMESPACE: itself, **inside}, pace_s=0.1)


def _ending_namespace(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield a namespace that is being deleted if something left it, or still appeared in it."""
    if old is None or new is None:
        name = (new or old).metadata.namespace
        namespace = snapshot.get(NAMESPACE, name)
        if namespace is not None and is_deleting(namespace.metadata):
            yield ObjectKey("", name)
