"""Fields that an object may have only with some values of its type.

Owns: the table of them, for the server, which drops them with the type that they belonged
to, and for ``apply``, which does not take them over from the live object.

Invariant: what somebody says is never dropped here; it is refused by admission, each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podraft.api.apps.v1 import deployment_pb2
from podraft.api.core.v1 import service_pb2


def drop_forbidden(obj: Any) -> None:
    """Remove from an object, in place, what its own type forbids."""
    match obj:
        case service_pb2.Service() if forbids_node_ports(obj.spec.type):
            for port in obj.spec.ports:
                port.ClearField("node_port")
        case deployment_pb2.Deployment() if forbids_rolling_update(obj.spec.strategy.type):
            obj.spec.strategy.ClearField("rolling_update")
        case _:
            pass


def drop_unsaid(obj: Any, patch: Mapping[str, Any]) -> None:
    """Remove, in place, what the type of a patched object forbids and the patch does not say.

    A list is one value to a merge patch: one that says the ports says their node ports.
    """
    match obj:
        case service_pb2.Service() if not _says(patch, "spec", "ports"):
            drop_forbidden(obj)
        case deployment_pb2.Deployment() if not _says(patch, "spec", "strategy", "rollingUpdate"):
            drop_forbidden(obj)
        case _:
            pass


def forbids_node_ports(service_type: str) -> bool:
    """Say whether services of a type (empty: the default, ClusterIP) have no node ports."""
    return service_type in ("", "ClusterIP")


def forbids_rolling_update(strategy_type: str) -> bool:
    """Say whether a strategy has no bounds for a rolling update."""
    return strategy_type == "Recreate"


def _says(patch: Any, *path: str) -> bool:
    for key in path:
        if not isinstance(patch, Mapping) or patch.get(key) is None:
            return False
        patch = patch[key]
    return True
