"""The declaration of a controller: its planner, its triggers, its indexes.

Owns: the options of all controllers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind
from podraft.api.moments import Now
from podraft.server.controllers.core.indexes import Indexes
from podraft.server.controllers.core.plan import Plan, Snapshot

KeyT = TypeVar("KeyT", bound=Hashable)

# From the old and new object (None: absent) to the keys that the change concerns.
Trigger = Callable[[Snapshot, Any, Any], Iterable[KeyT]]


@dataclass(frozen=True, slots=True)
class Controller(Generic[KeyT]):
    """A planner and its triggers.

    ``pace_s``: the seconds between two plans of a key; changes in between are
    handled together.  ``subject`` returns the object that gets the Event of a plan's refusal, with
    ``failure`` as the reason.  ``initial_keys`` are planned once at the start.  ``indexes`` are
    those that the planner needs besides what every kind has.
    """

    name: str
    plan: Callable[[Snapshot, KeyT, Now], Plan]
    triggers: Mapping[AnyKind, Trigger[KeyT]]
    indexes: Mapping[AnyKind, Indexes] = field(default_factory=dict)
    pace_s: float = 0.0
    workers: int = 2
    initial_keys: tuple[KeyT, ...] = ()
    subject: Callable[[Snapshot, KeyT], Message | None] | None = None
    failure: str = ""


def declared(controllers: Iterable[Controller[Any]]) -> dict[AnyKind, Indexes]:
    """Return the indexes of all controllers, by kind."""
    indexes: dict[AnyKind, Indexes] = {}
    for controller in controllers:
        for kind, wanted in controller.indexes.items():
            indexes[kind] = {**indexes.get(kind, {}), **wanted}
    return indexes


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """The settings of an operator."""

    pod_cidr: str = "10.244.0.0/16"
    node_prefix: int = 24
    node_grace_s: float = 20.0
    not_ready_toleration_s: float = 20.0
    finished_pods_max: int = 1000
    event_ttl_s: float = 3600.0
    identity: str = ""
    lease_name: str = "podraft-controllers"
