"""The snapshot that planners read: one informer per kind.

Owns: what is kept of kinds that only garbage collection looks at, and
when Leases were seen to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import (
    CONFIG_MAP,
    EVENT,
    LEASE,
    SECRET,
    AnyKind,
    Kind,
    KnownKinds,
)
from podraft.client.calls.client import Client
from podraft.client.clock import Clock
from podraft.client.watching.informer import Informer
from podraft.server.controllers.core.indexes import BY_NAMESPACE, Indexes, common

ObjectT = TypeVar("ObjectT", bound=Message)


class Caches:
    """The informers of all kinds; a `plan.Snapshot`."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        known: KnownKinds,
        indexes: Mapping[AnyKind, Indexes],
    ) -> None:
        self.known = known
        self._clock = clock
        self._informers: dict[AnyKind, Informer[Any]] = {
            kind: Informer(
                client.resource(kind),
                indexes={**common(kind, known), **indexes.get(kind, {})},
                transform=_TRANSFORMS.get(kind),
            )
            for kind in known
        }
        self._lease_changes: dict[tuple[str, str], float] = {}
        self.informer(LEASE).add_handler(self._note_lease)

    def informer(self, kind: Kind[ObjectT]) -> Informer[ObjectT]:
        """Return the informer of a kind."""
        return cast("Informer[ObjectT]", self._informers[kind])

    async def run(self) -> None:
        """Keep all caches up to date, for ever."""
        async with asyncio.TaskGroup() as group:
            for kind, informer in self._informers.items():
                group.create_task(informer.run(), name=f"informer of {kind.resource}")

    async def synced(self) -> None:
        """Wait until every cache is complete."""
        for informer in self._informers.values():
            await informer.synced()

    def get(self, kind: Kind[ObjectT], name: str, namespace: str = "") -> ObjectT | None:
        """Return one object, or None."""
        return self.informer(kind).get(name, namespace)

    def list(self, kind: Kind[ObjectT]) -> Sequence[ObjectT]:
        """Return all objects of a kind."""
        return self.informer(kind).list()

    def by_index(self, kind: Kind[ObjectT], index: str, value: str) -> Sequence[ObjectT]:
        """Return the objects of a kind that an index holds under ``value``, possibly none."""
        if index == BY_NAMESPACE and not kind.namespaced:
            return ()
        return self.informer(kind).by_index(index, value)

    def changed_at(self, kind: AnyKind, name: str, namespace: str = "") -> float | None:
        """Return when a Lease was last seen to change, by this process' steady clock."""
        return self._lease_changes.get((namespace, name)) if kind is LEASE else None

    def _note_lease(self, old: Message | None, new: Message | None) -> None:
        metadata = cast("Any", new or old).metadata
        key = (metadata.namespace, metadata.name)
        if new is None:
            self._lease_changes.pop(key, None)
        else:
            self._lease_changes[key] = self._clock.now().steady_s


def _metadata_only(obj: Any) -> Any:
    return type(obj)(metadata=obj.metadata)


def _event_times(event: event_pb2.Event) -> event_pb2.Event:
    kept = event_pb2.Event(metadata=event.metadata)
    if event.HasField("event_time"):
        kept.event_time.CopyFrom(event.event_time)
    if event.HasField("series"):
        kept.series.CopyFrom(event.series)
    return kept


# No controller reads these fields, so their memory can be saved.
_TRANSFORMS: dict[AnyKind, Callable[[Any], Any]] = {
    CONFIG_MAP: _metadata_only,
    SECRET: _metadata_only,
    EVENT: _event_times,
}
