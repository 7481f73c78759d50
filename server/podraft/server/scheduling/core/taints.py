"""The taints of a node as the scheduler counts them: keys that nodes share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from podraft.api.core.v1.node_pb2 import Node
from podraft.api.objects import well_known
from podraft.api.objects.nodes import is_ready
from podraft.api.objects.taints import NO_SCHEDULE


class TaintKey(NamedTuple):
    """The identity of a taint; its order is the order in which reasons name taints."""

    key: str
    value: str
    effect: str


NOT_READY: Final = TaintKey(well_known.NOT_READY_TAINT, "", NO_SCHEDULE)
UNSCHEDULABLE: Final = TaintKey(well_known.UNSCHEDULABLE_TAINT, "", NO_SCHEDULE)


def taints_of(node: Node) -> Iterator[TaintKey]:
    """Yield a node's taints; a node that does not report itself ready has `NOT_READY` too.

    The node's controller writes the same taint, but later: a node that
    has just reported that it is not ready is out of the choice at once.
    """
    for taint in node.spec.taints:
        yield TaintKey(taint.key, taint.value, taint.effect)
    if not is_ready(node):
        yield NOT_READY
