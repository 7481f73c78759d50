"""The triggers of the controller of finished pods."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from podraft.api.kinds import POD, KnownKinds
from podraft.api.objects.pods import is_finished
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import Snapshot
from podraft.server.controllers.planners.finished_pods.plan import KEY, plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[str]:
    """Return the controller."""
    return Controller(
        "finished-pods",
        partial(plan, keep=options.finished_pods_max),
        {POD: _finishing},
        pace_s=5.0,
        workers=1,
        initial_keys=(KEY,),
    )


def _finishing(snapshot: Snapshot, old: Any, new: Any) -> Iterator[str]:
    if new is not None and is_finished(new):
        yield KEY
