"""Watches for commands: level-driven, and resumed when the connection breaks.

Invariant: retries are bounded; a command that cannot reach the server for about
half a minute ends with an error that names the server's address.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import ResourceClient, WatchEvent
from podraft.client.errors import CompactedError, UnavailableError

Objects: TypeAlias = dict[tuple[str, str], Any]

_TRIES_MAX = 8
_PAUSE_S = 0.25
_PAUSE_MAX_S = 8.0
BOOKMARK = requests_pb2.WATCH_EVENT_TYPE_BOOKMARK
DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED


async def follow(
    resource: ResourceClient[Any],
    namespace: str,
    *,
    label_selector: str = "",
    field_selector: str = "",
    resource_version: str = "",
) -> AsyncIterator[list[WatchEvent[Any]]]:
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
    resource: ResourceClient[Any],
    namespace: str,
    *,
    label_selector: str = "",
    field_selector: str = "",
) -> AsyncIterator[Objects]:
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
