"""What a planner sees whose caches lag behind: each kind as it was at some earlier moment.

Owns: the history of a `World`, and snapshots of it in which kinds are of different ages, as in a
process that was just started, or that does not know yet that another one leads.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.message import Message

from podraft.api.kinds import AnyKind, Kind, KnownKinds
from support.controller_world import Key, World

ObjectT = TypeVar("ObjectT", bound=Message)


class LaggingWorld(World):
    """A world that remembers how it was."""

    def __init__(self) -> None:
        super().__init__()
        self._past: list[dict[Key, Any]] = []

    def remember(self) -> None:
        """Note the present state as one that a cache may still show."""
        self._past.append(dict(self.objects))

    def stale(self, chance: random.Random, lag_max: int, *, torn: bool) -> Stale:
        """Return a snapshot that lags behind by up to ``lag_max`` states.

        ``torn``: each kind lags by its own number of them.
        """
        self.remember()
        recent = self._past[-1 - lag_max :]
        return Stale(self, chance, recent if torn else [chance.choice(recent)])


class Stale:
    """A snapshot whose kinds are of different ages; also what planners read."""

    def __init__(
        self, world: World, chance: random.Random, states: Sequence[dict[Key, Any]]
    ) -> None:
        self.known: KnownKinds = world.known
        self._world, self._chance, self._states = world, chance, states
        self._views: dict[str, World] = {}

    def get(self, kind: AnyKind, name: str, namespace: str = "") -> Any:
        return self._of(kind).get(kind, name, namespace)

    def list(self, kind: Kind[ObjectT]) -> Sequence[ObjectT]:
        return self._of(kind).list(kind)

    def by_index(self, kind: Kind[ObjectT], index: str, value: str) -> Sequence[ObjectT]:
        return self._of(kind).by_index(kind, index, value)

    def changed_at(self, kind: AnyKind, name: str, namespace: str = "") -> float | None:
        return self._of(kind).changed_at(kind, name, namespace)

    def _of(self, kind: AnyKind) -> World:
        if kind.resource not in self._views:
            self._views[kind.resource] = _view(self._world, self._chance.choice(self._states))
        return self._views[kind.resource]


def _view(world: World, state: dict[Key, Any]) -> World:
    view = World.__new__(World)
    view.__dict__.update(world.__dict__)
    view.objects = state
    return view
