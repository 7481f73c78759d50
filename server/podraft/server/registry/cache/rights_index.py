"""The roles and bindings as they are now, by which calls are decided.

Owns: the way from stored roles and bindings to `Rights`, one index for each of their kinds.
Invariant: whoever is concerned by a change is told after it can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.server.auth.rbac.rights import Place, Rights
from podraft.server.registry import keys
from podraft.server.registry.cache.events import CachedEvent
from podraft.server.state.datastore import Record

ROLES: Final = (kinds.ROLE, kinds.CLUSTER_ROLE)
BINDINGS: Final = (kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING)
Observer = Callable[[frozenset[str]], None]


class RightsIndex:
    """The objects of one kind in ``rights``; ``observers`` hear whom a change concerns."""

    def __init__(self, kind: AnyKind, rights: Rights, observers: list[Observer]) -> None:
        self._kind = kind
        self._observers = observers
        are_roles = kind in ROLES
        self._put = rights.put_role if are_roles else rights.put_binding
        self._remove = rights.remove_role if are_roles else rights.remove_binding
        self._places: set[Place] = set()

    def replace(self, records: Iterable[Record]) -> None:
        """Replace all that is known with the objects that there are now."""
        former, concerned = self._places, set[str]()
        self._places = set()
        for record in records:
            concerned |= self._place(record.key, self._kind.message.FromString(record.value))
        for place in former - self._places:
            concerned |= self._remove(place)
        self._tell(frozenset(concerned))

    def take(self, event: CachedEvent) -> None:
        """Apply one change."""
        stored = event.event
        if stored.value is None:
            place = _place_of(self._kind, stored.key)
            self._places.discard(place)
            self._tell(self._remove(place))
        else:
            self._tell(self._place(stored.key, event.after))

    def _place(self, key: bytes, message: Any) -> frozenset[str]:
        place = _place_of(self._kind, key)
        self._places.add(place)
        return self._put(place, message)

    def _tell(self, concerned: frozenset[str]) -> None:
        if concerned:
            for observer in self._observers:
                observer(concerned)


def _place_of(kind: AnyKind, key: bytes) -> Place:
    return Place(*keys.names_in(kind, key))
