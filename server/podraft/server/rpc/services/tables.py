"""``TableService``: the map from its method to lists as tables."""

from __future__ import annotations

from typing import Final

from podraft.api.cluster.v1 import table_pb2
from podraft.server.registry.reads.tables import Tables
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, unary_methods

_SERVICE: Final = "/podraft.api.cluster.v1.TableService/"


def table_methods(tables: Tables, callers: Callers) -> Methods:
    """Return the service's handlers."""
    method = f"{_SERVICE}ListTable"
    return unary_methods(callers, {method: (table_pb2.ListTableRequest, tables.list)})
