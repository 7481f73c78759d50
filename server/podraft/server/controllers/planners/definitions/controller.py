"""The triggers of the controller of definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from podraft.api.kinds import CUSTOM_RESOURCE_DEFINITION, AnyKind, KnownKinds
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import itself
from podraft.server.controllers.planners.definitions.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller, which objects that go also trigger."""
    objects = {kind: _gone(kind) for kind in known if kind.custom}
    return Controller(
        "definitions", plan, {CUSTOM_RESOURCE_DEFINITION: itself, **objects}, pace_s=0.1
    )


def _gone(kind: AnyKind) -> Callable[[Snapshot, Any, Any], Iterator[ObjectKey]]:
    def trigger(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
        if new is None:
            yield ObjectKey("", kind.group_resource)

    return trigger
