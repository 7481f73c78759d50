"""``HistoryService``: the map from its methods to the questions of the history."""

from __future__ import annotations

from typing import Final

from podraft.api.cluster.v1 import history_pb2
from podraft.server.registry.past.history import History
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, unary_methods

_SERVICE: Final = "/podraft.api.cluster.v1.HistoryService/"


def history_methods(history: History, callers: Callers) -> Methods:
    """Return the service's handlers."""
    return unary_methods(
        callers,
        {
            f"{_SERVICE}ResolveRevision": (history_pb2.ResolveRevisionRequest, history.resolve),
            f"{_SERVICE}GetObjectHistory": (
                history_pb2.GetObjectHistoryRequest,
                history.object_history,
            ),
            f"{_SERVICE}GetRevision": (history_pb2.GetRevisionRequest, history.revision_changes),
        },
    )
