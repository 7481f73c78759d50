"""The triggers of the controller of Events."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from podraft.api.kinds import EVENT, KnownKinds
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import Snapshot
from podraft.server.controllers.planners.expired_events.plan import KEY, plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[str]:
    """Return the controller."""
    return Controller(
        "expired-events",
        partial(plan, ttl_s=options.event_ttl_s),
        {EVENT: _appearing},
        pace_s=30.0,
        workers=1,
        initial_keys=(KEY,),
    )


def _appearing(snapshot: Snapshot, old: Any, new: Any) -> Iterator[str]:
    if old is None:
        yield KEY
