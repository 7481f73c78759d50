"""The replacement of pods of a former template, node by node.

Owns: on which nodes the old pod is ended, and which get the new one beside it.

Invariant: of the nodes that should have a pod, no more than ``maxUnavailable`` are without an
available one because of a rollout, and no more than ``maxSurge`` have two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from podraft.api.apps.v1 import daemon_set_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2

_DIGITS_MAX = 10


@dataclass(slots=True)
class OnNode:
    """The pods of one node: the one of the current template, and one of a former one."""

    new: pod_pb2.Pod | None = None
    old: pod_pb2.Pod | None = None
    new_is_available: bool = False
    old_is_available: bool = False


@dataclass(slots=True)
class Step:
    """The old pods to end, and the nodes that get a new one beside the old."""

    ended: list[pod_pb2.Pod] = field(default_factory=list)
    made: list[str] = field(default_factory=list)


def step(daemon_set: daemon_set_pb2.DaemonSet, nodes: Mapping[str, OnNode]) -> Step:
    """Return the next step of a rollout over the nodes that should have a pod."""
    strategy = daemon_set.spec.update_strategy
    if strategy.type == "OnDelete":
        return Step()
    rolling = strategy.rolling_update
    surge = _resolved(rolling.max_surge, len(nodes)) if rolling.HasField("max_surge") else 0
    if surge > 0:
        return _beside(nodes, surge)
    unavailable = 1
    if rolling.HasField("max_unavailable"):
        unavailable = _resolved(rolling.max_unavailable, len(nodes))
    return _one_after_the_other(nodes, max(1, unavailable))


def _one_after_the_other(nodes: Mapping[str, OnNode], unavailable_max: int) -> Step:
    result, candidates, unavailable = Step(), list[pod_pb2.Pod](), 0
    for on_node in nodes.values():
        if on_node.new is not None:
            unavailable += not on_node.new_is_available
            if on_node.old is not None:
                result.ended.append(on_node.old)
        elif on_node.old is None:
            unavailable += 1
        elif on_node.old_is_available:
            candidates.append(on_node.old)
        else:
            # Nothing is lost with a pod that does not serve.
            unavailable += 1
            result.ended.append(on_node.old)
    result.ended += candidates[: max(0, unavailable_max - unavailable)]
    return result


def _beside(nodes: Mapping[str, OnNode], surge_max: int) -> Step:
    result, candidates, surging = Step(), list[str](), 0
    for name, on_node in nodes.items():
        if on_node.old is None:
            continue
        if on_node.new is None:
            if on_node.old_is_available:
                candidates.append(name)
            else:
                result.made.append(name)
        elif on_node.new_is_available or not on_node.old_is_available:
            result.ended.append(on_node.old)
        else:
            surging += 1
    result.made += candidates[: max(0, surge_max - surging)]
    return result


def _resolved(value: meta_pb2.IntOrString, total: int) -> int:
    if value.type != 1:
        return value.int_val
    digits = value.str_val.removesuffix("%")
    if not digits.isdecimal() or len(digits) > _DIGITS_MAX:
        return 0
    return math.ceil(int(digits) * total / 100)
