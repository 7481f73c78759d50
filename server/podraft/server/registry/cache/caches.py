"""The caches of all kinds, each kept at the store's head.

Owns: one store watch per kind, however many clients watch it, and the bookmarks of idle watchers.
Invariant: after a gap nothing is shown that was known before it: watches end and resume, and the
indexes are read anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from typing import Final

from podraft.api import kinds
from podraft.api.kinds import AnyKind, Change, Registry
from podraft.server.auth.rbac.rights import Rights
from podraft.server.registry import encoding, keys
from podraft.server.registry.cache.decoded import DecodedBytes
from podraft.server.registry.cache.kind_cache import KindCache
from podraft.server.registry.cache.node_index import NodeIndex
from podraft.server.registry.cache.rights_index import BINDINGS, ROLES, Observer, RightsIndex
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.following import follow
from podraft.server.state.datastore import Datastore, SlowWatcherError

_BOOKMARK_AFTER_S: Final = 30.0


class Caches:
    """One cache for each kind, from ``revision`` on, which is not above the store's."""

    def __init__(self, known: Registry, revision: int = 0) -> None:
        self._shared = DecodedBytes()
        self._by_kind = {kind: KindCache(kind, revision, self._shared) for kind in known}
        pods = self._by_kind[kinds.POD]
        # The pods of each node, which decide what the node's agent may read.
        self.pods_by_node = pods.index = NodeIndex(pods.objects)
        # Who may do what, and who hears of changes.
        self.rights = Rights()
        self.rights_observers: list[Observer] = []
        for kind in (*ROLES, *BINDINGS):
            if kind in self._by_kind:
                index = RightsIndex(kind, self.rights, self.rights_observers)
                self._by_kind[kind].index = index
        self._datastore: Datastore | None = None
        self._following: dict[AnyKind, asyncio.Task[None]] = {}
        self._telling: asyncio.Task[None] | None = None
        # The error with which streams end once the server stops.
        self.closing: RefusedError | None = None
        self._end_observing = known.observe(self._take_change)

    def of(self, kind: AnyKind) -> KindCache:
        """Return the cache of a kind.

        Raises:
            RefusedError: The kind has gone.
        """
        cache = self._by_kind.get(kind)
        if cache is None:
            raise no_kind(kind)
        return cache

    async def start(self, datastore: Datastore) -> None:
        """Read the indexed kinds, and begin to follow the store."""
        for cache in self._by_kind.values():
            if cache.index is not None:
                page = await datastore.range(keys.prefix(cache.kind))
                cache.index.replace(page.records)
        self._datastore = datastore
        for cache in self._by_kind.values():
            self._following[cache.kind] = asyncio.create_task(_follow(datastore, cache))
        self._telling = asyncio.create_task(self._send_bookmarks())

    async def close(self) -> None:
        """End all streams; their clients resume elsewhere or later."""
        self._end_observing()
        self.closing = RefusedError(Code.UNAVAILABLE, "the server is stopping")
        for cache in self._by_kind.values():
            cache.watchers.end(self.closing)
        tasks = [*self._following.values(), *([self._telling] if self._telling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def watcher_counts(self) -> dict[str, int]:
        """Return the number of watchers of each resource."""
        counts = Counter[str]()
        for kind, cache in self._by_kind.items():
            counts[kind.resource] += len(cache.watchers)
        return counts

    def _take_change(self, change: Change) -> None:
        """Begin or end the cache of a kind that has come or gone."""
        kind, datastore = change.kind, self._datastore
        if change.is_known:
            revision = datastore.revision if datastore is not None else 0
            cache = self._by_kind[kind] = KindCache(kind, revision, self._shared)
            if datastore is not None:
                self._following[kind] = asyncio.create_task(_follow(datastore, cache))
            return
        cache = self._by_kind.pop(kind)
        self._shared.part(cache.objects)
        cache.watchers.end(no_kind(kind))
        if (following := self._following.pop(kind, None)) is not None:
            following.cancel()

    async def _send_bookmarks(self) -> None:
        """Tell idle watchers the present revision, so that they can resume after compactions."""
        while True:
            await asyncio.sleep(_BOOKMARK_AFTER_S / 3)
            now_s = time.monotonic()
            for cache in self._by_kind.values():
                bookmark = encoding.encode_bookmark(cache.revision)
                for watcher in cache.watchers:
                    if not watcher.has_bookmarks:
                        continue
                    is_idle = now_s - watcher.active_at_s >= _BOOKMARK_AFTER_S * 2 / 3
                    if is_idle and cache.revision > watcher.start:
                        watcher.push(cache.revision, bookmark)


def no_kind(kind: AnyKind) -> RefusedError:
    """Return the refusal of a call about a kind that has gone."""
    return RefusedError(Code.NOT_FOUND, f"there is no kind {kind.group_resource} any more")


async def _follow(datastore: Datastore, cache: KindCache) -> None:
    """Keep one cache at the store's head; a gap ends its watches, which resume."""
    prefix, again = keys.prefix(cache.kind), partial(begin_again, datastore, cache)
    await follow(datastore, prefix, cache, again, f"the cache of {cache.kind.resource}")


async def begin_again(datastore: Datastore, cache: KindCache, gap: Exception) -> None:
    """Continue a cache at the store's revision, without the events of the gap."""
    revision = datastore.revision
    if cache.index is not None:
        page = await datastore.range(keys.prefix(cache.kind))
        cache.index.replace(page.records)
        revision = page.revision
    cache.reset(revision, SlowWatcherError(str(gap)))
