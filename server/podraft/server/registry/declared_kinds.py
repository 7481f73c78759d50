"""The kinds that users declare, as this server knows them.

Owns: following the definitions in the store, and making the registry of kinds agree with them.

Invariants: a kind is known from when its definition is stored until it is gone; a change of the
definition that its kind does not show disturbs nobody who watches.
"""

from __future__ import annotations

import asyncio
import logging

from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import CustomResourceDefinition
from podraft.api.declared import kinds_of, says_same
from podraft.api.kinds import CUSTOM_RESOURCE_DEFINITION, AnyKind, Registry
from podraft.server.registry import keys
from podraft.server.registry.following import follow
from podraft.server.state.datastore import Datastore, EventBatch

_LOG = logging.getLogger(__name__)


class DeclaredKinds:
    """Keeps a registry at what the stored definitions declare."""

    def __init__(self, registry: Registry, datastore: Datastore) -> None:
        self._registry = registry
        self._datastore = datastore
        self._prefix = keys.prefix(CUSTOM_RESOURCE_DEFINITION)
        self.revision = 0
        self._definitions: dict[bytes, CustomResourceDefinition] = {}
        self._known: dict[str, AnyKind] = {}
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make all declared kinds known, and begin to follow."""
        await self._read()
        self._following = asyncio.create_task(
            follow(
                self._datastore, self._prefix, self, lambda _: self._read(), "the declared kinds"
            )
        )

    async def stop(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    def take(self, batch: EventBatch) -> None:
        """Take over changes of definitions."""
        for event in batch.events:
            if event.value is None:
                self._definitions.pop(event.key, None)
            else:
                self._definitions[event.key] = CustomResourceDefinition.FromString(event.value)
        self.revision = max(self.revision, batch.revision)
        if batch.events:
            self._agree()

    async def _read(self) -> None:
        page = await self._datastore.range(self._prefix)
        self._definitions = {
            record.key: CustomResourceDefinition.FromString(record.value) for record in page.records
        }
        self.revision = page.revision
        self._agree()

    def _agree(self) -> None:
        """Make the registry know what the definitions declare, and nothing else."""
        definitions = [self._definitions[key] for key in sorted(self._definitions)]
        declared = {kind.definition.metadata.name: kind for kind in kinds_of(definitions)}
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
