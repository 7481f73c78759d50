"""The table that lists a kind's objects: the same in the CLI, the server and every gateway.

Owns: which table a kind has; each module beside this one holds the tables of one API group.

Invariants: everything here is pure; every kind has a table, and a kind without one of its own
shows names and ages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.columns import (
    admission,
    apps,
    batch,
    coordination,
    core,
    discovery,
    events,
    extensions,
    networking,
    policies,
    rbac,
    storage,
)
from podraft.api.columns.column import AGE, NAME, Column, Table, row_of
from podraft.api.columns.extensions import table_of_declared

__all__ = ["Column", "Table", "row_of", "table_of"]

_GENERIC: Final = Table((NAME, AGE))
_TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    **core.TABLES,
    **apps.TABLES,
    **batch.TABLES,
    **policies.TABLES,
    **discovery.TABLES,
    **coordination.TABLES,
    **events.TABLES,
    **extensions.TABLES,
    **rbac.TABLES,
    **networking.TABLES,
    **storage.TABLES,
    **admission.TABLES,
}


def table_of(kind: kinds.AnyKind) -> Table:
    """Return the table of a kind."""
    if kind.definition is not None:
        return table_of_declared(kind)
    return _TABLES.get(kind, _GENERIC)
