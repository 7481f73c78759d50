"""Taints and tolerations, as Kubernetes matches them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Toleration
from podraft.api.objects import well_known
from podraft.api.objects.nodes import is_ready

NO_SCHEDULE: Final = "NoSchedule"
NO_EXECUTE: Final = "NoExecute"
PREFER_NO_SCHEDULE: Final = "PreferNoSchedule"


class TaintKey(NamedTuple):
    """A taint's identity; its order is the order in which reasons name taints."""

    key: str
    value: str
    effect: str


NOT_READY: Final = TaintKey(well_known.NOT_READY_TAINT, "", NO_SCHEDULE)
UNSCHEDULABLE: Final = TaintKey(well_known.UNSCHEDULABLE_TAINT, "", NO_SCHEDULE)


def taints_of(node: Node) -> Iterator[TaintKey]:
    """Yield a node's taints; one that does not report itself ready has `NOT_READY` too.

    The taint is also what the node's controller writes, but later: a node that
    has just said it is not ready is out of the choice at once.
    """
    for taint in node.spec.taints:
        yield TaintKey(taint.key, taint.value, taint.effect)
    if not is_ready(node):
        yield NOT_READY


def is_tolerated(taint: TaintKey, tolerations: Iterable[Toleration]) -> bool:
    """Return whether any of ``tolerations`` matches ``taint``."""
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: Toleration, taint: TaintKey) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.operator == "Exists":
        # Without a key it tolerates every taint.
        return not toleration.key or toleration.key == taint.key
    return bool(toleration.key == taint.key and toleration.value == taint.value)
