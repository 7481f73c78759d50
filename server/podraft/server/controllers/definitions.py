"""The kinds that are declared, as far as the controllers know them.

Owns: reading the definitions, and waiting until they declare other kinds.
"""

from __future__ import annotations

from collections.abc import Iterable

from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import CustomResourceDefinition
from podraft.api.declared import kinds_of, says_same
from podraft.api.kinds import CUSTOM_RESOURCE_DEFINITION, AnyKind, KnownKinds, Registry
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError

_DELETED = requests_pb2.WATCH_EVENT_TYPE_DELETED


class Definitions:
    """The definitions at one revision."""

    def __init__(self, declared: Iterable[AnyKind], revision: str) -> None:
        self._declared = {kind.definition.metadata.name: kind for kind in declared}
        self._revision = revision

    @classmethod
    async def read(cls, client: Client) -> Definitions:
        """Return the definitions of now.

        Raises:
            ApiError: They cannot be read.
        """
        found = await client.resource(CUSTOM_RESOURCE_DEFINITION).list()
        return cls(kinds_of(found.items), found.resource_version)

    def known(self, built_in: KnownKinds) -> KnownKinds:
        """Return all kinds, but for declared ones that cannot be beside the others."""
        registry = Registry(built_in)
        for kind in self._declared.values():
            try:
                registry.add(kind)
            except ValueError:
                continue  # The server, which does not know the kind either, says so.
        return registry

    async def changed(self, client: Client) -> None:
        """Wait until the definitions declare other kinds, or cannot be followed any more."""
        definitions = client.resource(CUSTOM_RESOURCE_DEFINITION)
        try:
            async for batch in definitions.watch(resource_version=self._revision):
                for event in batch:
                    if event.type == requests_pb2.WATCH_EVENT_TYPE_BOOKMARK:
                        continue
                    if event.type == _DELETED or self._is_news(event.object):
                        return
        except ApiError:
            return

    def _is_news(self, definition: CustomResourceDefinition) -> bool:
        before = self._declared.get(definition.metadata.name)
        present = next(kinds_of((definition,)), None)
        if before is None or present is None:
            return before is not present
        return not says_same(before, present)
