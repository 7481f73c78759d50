"""The kinds that users declare, as this server knows them.

Owns: following the definitions in the store, and making the registry of kinds agree with them.

Invariants: a kind is known from when its definition is stored until it is gone; a change of the
definition that its kind does not show disturbs nobody who watches.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import CustomResourceDefinition
from podraft.api.declared import kinds_of, says_same
from podraft.api.kinds import CUSTOM_RESOURCE_DEFINITION, AnyKind, Registry
from podraft.server.registry import keys
from podraft.server.state.datastore import (
    Datastore,
    RevisionCompactedError,
    SlowWatcherError,
    StoreFailedError,
    StoreUnavailableError,
)

_LOG = logging.getLogger(__name__)
_PAUSE_S: Final = 0.2


class DeclaredKinds:
    """Keeps a registry at what the stored definitions declare."""

    def __init__(self, registry: Registry, datastore: Datastore) -> None:
        self._registry = registry
        self._datastore = datastore
        self._prefix = keys.prefix(CUSTOM_RESOURCE_DEFINITION)
        self._known: dict[str, AnyKind] = {}
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make all declared kinds known, and begin to follow."""
        revision = await self._read()
        self._following = asyncio.create_task(self._follow(revision))

    async def stop(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self, revision: int) -> None:
        while True:
            try:
                async for _ in self._datastore.watch(self._prefix, revision):
                    revision = await self._read()
            except (RevisionCompactedError, SlowWatcherError):
                revision = await self._read()
            except StoreUnavailableError:
                pass  # Another member may lead soon, or etcd be back.
            except StoreFailedError:
                return  # The process ends and says why.
            except Exception:  # noqa: BLE001 - whatever it was, later kinds must become known
                _LOG.exception("the declared kinds could not be followed")
            await asyncio.sleep(_PAUSE_S)

    async def _read(self) -> int:
        page = await self._datastore.range(self._prefix)
        definitions = [CustomResourceDefinition.FromString(one.value) for one in page.records]
        self._take({kind.definition.metadata.name: kind for kind in kinds_of(definitions)})
        return page.revision

    def _take(self, declared: dict[str, AnyKind]) -> None:
        for name, kind in list(self._known.items()):
            present = declared.get(name)
            if present is None or not says_same(kind, present):
                self._registry.remove(self._known.pop(name))
        for name, kind in declared.items():
            if name in self._known:
                continue
            try:
                self._registry.add(kind)
            except ValueError as error:
                _LOG.warning("the kind of %s cannot become known: %s", name, error)
                continue
            self._known[name] = kind
