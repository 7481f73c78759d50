"""The state of a node: its Ready condition, and its addresses."""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import node_pb2
from podraft.api.objects import conditions

READY: Final = "Ready"
INTERNAL_IP: Final = "InternalIP"


def ready_condition(node: node_pb2.Node) -> node_pb2.NodeCondition | None:
    """Return the node's Ready condition, or None if it has none."""
    return conditions.find(node.status.conditions, READY)


def is_ready(node: node_pb2.Node) -> bool:
    """Return whether the node's Ready condition holds."""
    return conditions.is_true(node.status.conditions, READY)


def addresses(node: node_pb2.Node, type_: str) -> list[str]:
    """Return the node's addresses of one type, such as ``InternalIP``."""
    return [said.address for said in node.status.addresses if said.type == type_]
