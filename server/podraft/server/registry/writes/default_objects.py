"""The default roles, bindings and priority classes, made and restored when a server starts.

Owns: when they are written.  Invariant: servers that start at once write them once: each write
names the version that it was made from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.server.auth.rbac.defaults import default_bindings, default_roles, restored
from podraft.server.kinds.scheduling.priority_class import system_classes
from podraft.server.registry import keys
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.writes.operations import Create, Operation, Update
from podraft.server.registry.writes.writer import Writer
from podraft.server.state.datastore import Datastore

_LOG = logging.getLogger(__name__)
_ATTEMPTS_MAX: Final = 5

# From a stored object and the default one to what is stored instead; None: it stays.
_Restored: TypeAlias = Callable[[Any, Any], Any | None]


async def ensure(datastore: Datastore, writer: Writer, caller: Caller) -> None:
    """Create the default objects that are absent, and restore what roles and bindings lack.

    Raises:
        RefusedError: The store did not take them.
    """
    wanted: list[tuple[AnyKind, Any, _Restored]] = [
        *((kinds.CLUSTER_ROLE, role, restored) for role in default_roles()),
        *((kinds.CLUSTER_ROLE_BINDING, binding, restored) for binding in default_bindings()),
        *((kinds.PRIORITY_CLASS, one, _as_it_is) for one in system_classes()),
    ]
    for attempt in range(_ATTEMPTS_MAX):
        operations = [
            operation
            for kind, default, restore in wanted
            if (operation := await _needed(datastore, kind, default, restore)) is not None
        ]
        if not operations:
            return
        try:
            await writer.write(operations, caller)
            _LOG.debug("wrote %d default objects", len(operations))
            return
        except RefusedError as error:
            # Another server does the same.
            contended = error.code in (Code.ALREADY_EXISTS, Code.ABORTED, Code.NOT_FOUND)
            if not contended or attempt == _ATTEMPTS_MAX - 1:
                raise


def _as_it_is(stored: Any, wanted: Any) -> None:
    """Leave an object whose rules do not let it lack anything."""


async def _needed(
    datastore: Datastore, kind: AnyKind, default: Any, restore: _Restored
) -> Operation | None:
    record = await datastore.get(keys.of_object(kind, "", default.metadata.name))
    if record is None:
        return Create(kind, default)
    changed = restore(kind.message.FromString(record.value), default)
    return Update(kind, changed, "") if changed is not None else None
