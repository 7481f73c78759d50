"""The default roles and bindings, made and restored when a server starts.

Owns: when they are written.  Invariant: servers that start at once write them once: each write
names the version that it was made from.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.server.auth.rbac.defaults import default_bindings, default_roles, restored
from podraft.server.registry import keys
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.writes.operations import Create, Operation, Update
from podraft.server.registry.writes.writer import Writer
from podraft.server.state.datastore import Datastore

_LOG = logging.getLogger(__name__)
_ATTEMPTS_MAX: Final = 5


async def ensure(datastore: Datastore, writer: Writer, caller: Caller) -> None:
    """Create the default roles and bindings that are absent, and restore what others lack.

    Raises:
        RefusedError: The store did not take them.
    """
    wanted: list[tuple[AnyKind, Any]] = [
        *((kinds.CLUSTER_ROLE, role) for role in default_roles()),
        *((kinds.CLUSTER_ROLE_BINDING, binding) for binding in default_bindings()),
    ]
    for attempt in range(_ATTEMPTS_MAX):
        operations = [
            operation
            for kind, default in wanted
            if (operation := await _needed(datastore, kind, default)) is not None
        ]
        if not operations:
            return
        try:
            await writer.write(operations, caller)
            _LOG.debug("wrote %d default roles and bindings", len(operations))
            return
        except RefusedError as error:
            # Another server does the same.
            contended = error.code in (Code.ALREADY_EXISTS, Code.ABORTED, Code.NOT_FOUND)
            if not contended or attempt == _ATTEMPTS_MAX - 1:
                raise


async def _needed(datastore: Datastore, kind: AnyKind, default: Any) -> Operation | None:
    record = await datastore.get(keys.of_object(kind, "", default.metadata.name))
    if record is None:
        return Create(kind, default)
    changed = restored(kind.message.FromString(record.value), default)
    return Update(kind, changed, "") if changed is not None else None
