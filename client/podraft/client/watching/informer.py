"""A live copy of the objects of one kind.

Owns: listing, watching, resuming and re-listing, and the indexes over the copy.

Invariants: `revision` only grows (except for a re-list), and everything the server wrote at or
below it that matches the selectors is in the copy; a handler sees every object's changes in
order, each once (a re-list shows only the difference).  Objects are shared by all readers:
nobody changes them.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from podraft.api.meta.v1 import requests_pb2
from podraft.client.backoff import Backoff
from podraft.client.calls.following import Watchable
from podraft.client.calls.wire import WatchBatch
from podraft.client.errors import ApiError, CompactedError, InvalidError

ObjectT = TypeVar("ObjectT", bound=Message)
Key = tuple[str, str]

_LOG = logging.getLogger(__name__)

_ADDED = requests_pb2.WATCH_EVENT_TYPE_ADDED
_MODIFIED = requests_pb2.WATCH_EVENT_TYPE_MODIFIED
_DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED
_BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK


class Informer(Generic[ObjectT]):
    """A copy of the matching objects in memory, kept up to date while `run` runs.

    ``indexes`` maps a name to a function that returns the values under which `by_index`
    finds an object; ``transform`` may return a smaller object to keep, which must have
    the same metadata.  Everything happens on one event loop.
    """

    def __init__(
        self,
        resource_client: Watchable[ObjectT],
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        indexes: Mapping[str, Callable[[ObjectT], Iterable[str]]] | None = None,
        transform: Callable[[ObjectT], ObjectT] | None = None,
    ) -> None:
        self.kind = resource_client.kind
        self.revision = 0
        self._client = resource_client
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._indexers = dict(indexes or {})
        self._objects: dict[Key, ObjectT] = {}
        self._index: dict[str, dict[str, dict[Key, ObjectT]]] = {n: {} for n in self._indexers}
        self._transform = transform
        self._handlers: list[Callable[[ObjectT | None, ObjectT | None], None]] = []
        # The objects that the running list has shown so far; None while only changes arrive.
        self._listed: set[Key] | None = None
        self._synced = asyncio.Event()
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = itertools.count()
        self._backoff = Backoff()

    def get(self, name: str, namespace: str = "") -> ObjectT | None:
        """Return one object, or None if it is not in the copy."""
        return self._objects.get((namespace, name))

    def list(self) -> Sequence[ObjectT]:
        """Return all objects, in no particular order."""
        return list(self._objects.values())

    def by_index(self, index: str, value: str) -> Sequence[ObjectT]:
        """Return the objects that the index holds under ``value``, in no particular order."""
        return list(self._index[index].get(value, {}).values())

    def add_handler(self, handler: Callable[[ObjectT | None, ObjectT | None], None]) -> None:
        """Call ``handler(old, new)`` after each change, on the event loop.

        ``old`` is None for an object that appears (at once for those already present),
        ``new`` for one that vanishes.  A handler that raises is a bug and ends `run`.
        """
        self._handlers.append(handler)
        for obj in self.list():
            handler(None, obj)

    @property
    def has_synced(self) -> bool:
        """Whether the first list is complete."""
        return self._synced.is_set()

    async def synced(self) -> None:
        """Wait until the first list is complete."""
        await self._synced.wait()

    async def wait_for(self, revision: int) -> None:
        """Wait until the copy holds every matching write up to ``revision``.

        A revision that changed nothing of this kind is reached with the next change or
        the next bookmark, so bound the wait unless this kind was written.
        """
        if self.revision >= revision:
            return
        reached = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (revision, next(self._tickets), reached))
        await reached

    async def run(self) -> None:
        """List, then follow the changes, for ever; connect again when the stream breaks.

        Raises:
            InvalidError: The server does not understand the selectors.
        """
        while True:
            asked_s = 0.0
            try:
                await self._follow()
            except CompactedError:
                _LOG.info("%s: history is gone, listing anew", self.kind.resource)
                self.revision = 0
            except InvalidError:
                if not self.revision:
                    raise
                self.revision = 0  # The server knows no such revision: it was restored.
            except ApiError as error:
                # Log only once: a server that stays away is no news at every try.
                level = logging.WARNING if self._backoff.failures == 3 else logging.DEBUG
                _LOG.log(level, "watch of %s: %s", self.kind.resource, error)
                asked_s = error.retry_s or 0.0
            await asyncio.sleep(max(self._backoff.next_pause_s(), asked_s))

    async def _follow(self) -> None:
        """Apply one stream until it ends."""
        self._listed = None if self.revision else set()
        stream = self._client.watch(
            self._namespace,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            resource_version=str(self.revision) if self.revision else "",
        )
        async for batch in stream:
            self._apply(batch)
            self._backoff.reset()

    def _apply(self, batch: WatchBatch[ObjectT]) -> None:
        """Apply one batch, which holds whole revisions, then wake those who wait for them."""
        revision = self.revision
        for event in batch:
            obj: Any = event.object
            metadata = obj.metadata
            if event.type == _BOOKMARK:
                self._finish_list()
            elif event.type == _DELETED:
                self._remove((metadata.namespace, metadata.name))
            elif event.type in (_ADDED, _MODIFIED):
                self._put((metadata.namespace, metadata.name), event.object)
            revision = max(revision, int(metadata.resource_version or 0))
        if self._listed is None:
            # Before a list is complete, its highest revision promises nothing.
            self._reach(revision)

    def _finish_list(self) -> None:
        if self._listed is None:
            return
        for key in self._objects.keys() - self._listed:
            self._remove(key)
        self._listed = None
        self._synced.set()

    def _reach(self, revision: int) -> None:
        self.revision = revision
        while self._waiters and self._waiters[0][0] <= revision:
            reached = heapq.heappop(self._waiters)[2]
            if not reached.done():
                reached.set_result(None)

    def _put(self, key: Key, obj: Any) -> None:
        old: Any = self._objects.get(key)
        if self._listed is not None:
            self._listed.add(key)
        if old is not None and (
            old.metadata.resource_version == obj.metadata.resource_version
            and old.metadata.uid == obj.metadata.uid
        ):
            return
        if self._transform is not None:
            obj = self._transform(obj)
        self._objects[key] = obj
        for name, values_of in self._indexers.items():
            values = tuple(values_of(obj))
            index = self._index[name]
            if old is not None:
                self._unindex(index, key, set(values_of(old)).difference(values))
            for value in values:
                index.setdefault(value, {})[key] = obj
        self._notify(old, obj)

    def _remove(self, key: Key) -> None:
        old = self._objects.pop(key, None)
        if old is None:
            return
        for name, values_of in self._indexers.items():
            self._unindex(self._index[name], key, values_of(old))
        self._notify(old, None)

    @staticmethod
    def _unindex(index: dict[str, dict[Key, ObjectT]], key: Key, values: Iterable[str]) -> None:
        """Drop ``key`` from ``values``, and values that no object has any more."""
        for value in values:
            bucket = index.get(value, {})
            bucket.pop(key, None)
            if not bucket:
                index.pop(value, None)

    def _notify(self, old: ObjectT | None, new: ObjectT | None) -> None:
        for handler in self._handlers:
            handler(old, new)
