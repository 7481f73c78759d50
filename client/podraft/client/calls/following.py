"""Watches that are resumed when the connection breaks, and waits for one object's state.

Owns: when a broken watch is begun again, and from where.

Invariants: retries are bounded: who cannot reach a server for about half a minute gets an error
that names the server's address; nothing is asked for repeatedly, and every wait has a deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from google.protobuf.message import Message

from podraft.api.kinds import Kind
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.wire import WatchBatch, WatchEvent
from podraft.client.errors import CompactedError, UnavailableError

ObjectT = TypeVar("ObjectT", bound=Message)
Objects: TypeAlias = dict[tuple[str, str], Any]

_TRIES_MAX = 8
_PAUSE_S = 0.25
_PAUSE_MAX_S = 8.0
BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK
DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED


class Watchable(Protocol[ObjectT]):
    """The part of a `ResourceClient` that follows changes."""

    @property
    def kind(self) -> Kind[ObjectT]:
        """The kind of the objects."""

    def watch(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> AsyncIterator[WatchBatch[ObjectT]]:
        """Yield changes in batches, as `ResourceClient.watch` does."""


async def follow(
    resource: Watchable[Any],
    namespace: str,
    *,
    label_selector: str = "",
    field_selector: str = "",
    resource_version: str = "",
) -> AsyncGenerator[list[WatchEvent[Any]], None]:
    """Yield batches of changes after a revision; resume where a lost connection ended.

    Raises:
        CompactedError: The server no longer knows the changes after the last one seen.
        UnavailableError: The server stayed away.
    """
    failures = 0
    # Until a bookmark has ended the list, no revision of its objects is one to resume from.
    listed = bool(resource_version)
    while True:
        batches = resource.watch(
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            resource_version=resource_version,
        )
        try:
            async for batch in batches:
                failures = 0
                listed = listed or any(event.type == BOOKMARK for event in batch)
                if batch and listed:
                    resource_version = batch[-1].object.metadata.resource_version
                yield batch
        except UnavailableError:
            failures += 1
            if failures > _TRIES_MAX:
                raise
        else:
            failures += 1
        await asyncio.sleep(min(_PAUSE_S * 2**failures, _PAUSE_MAX_S))


async def states(
    resource: Watchable[Any],
    namespace: str,
    *,
    label_selector: str = "",
    field_selector: str = "",
) -> AsyncGenerator[Objects, None]:
    """Yield all objects that match, first as they are now, then after every change.

    The objects are by namespace and name; the same mapping is yielded each time.
    """
    while True:
        objects: Objects = {}
        synced = False
        try:
            async for batch in follow(
                resource, namespace, label_selector=label_selector, field_selector=field_selector
            ):
                for event in batch:
                    synced = _note(objects, event) or synced
                if synced:
                    yield objects
        except CompactedError:
            continue  # Too much happened while the connection was down: read everything anew.


def _note(objects: Objects, event: WatchEvent[Any]) -> bool:
    """Apply one change; return whether it was the bookmark that ends the present state."""
    metadata = event.object.metadata
    key = (metadata.namespace, metadata.name)
    if event.type == BOOKMARK:
        return True
    if event.type == DELETED:
        objects.pop(key, None)
    else:
        objects[key] = event.object
    return False


async def until(
    resource: Watchable[ObjectT],
    name: str,
    namespace: str,
    reached: Callable[[ObjectT | None], bool],
    timeout_s: float,
) -> ObjectT | None:
    """Return an object, None if there is none, as soon as it is as ``reached`` says.

    Raises:
        TimeoutError: It is not in time.
        ValueError: The object is not named completely.
    """
    kind = resource.kind
    if not name or kind.namespaced != bool(namespace):
        expected = "a name and a namespace" if kind.namespaced else "a name and no namespace"
        raise ValueError(f"{kind.resource}: expected {expected}, got {name!r} and {namespace!r}")
    following = states(resource, namespace, field_selector=f"metadata.name={name}")
    async with aclosing(following):
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    objects = await anext(following)
                    obj = cast("ObjectT | None", objects.get((namespace, name)))
                    if reached(obj):
                        return obj
        except TimeoutError:
            raise TimeoutError(f"{kind.resource} {name}: not reached in {timeout_s:g} s") from None
