"""Which numbered pods are made and ended next, and in which order.

Owns: growing from the lowest number, shrinking from the highest, replacing from the highest.

Invariants: a number gets a pod only when its former one is gone; with `OrderedReady`, a pod is
made only when those of lower numbers are available, and ended for good only when those of higher
numbers are gone; a rollout makes no more than ``maxUnavailable`` pods unavailable, yet a pod that
does not serve and is of another revision than its number should have is replaced at once, so that
what is broken never waits for itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from podraft.api.apps.v1 import stateful_set_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished
from podraft.api.objects.workloads import replicas
from podraft.server.controllers.planners.stateful_sets.identity import revision_of

_DIGITS_MAX = 10


@dataclass(slots=True)
class Slot:
    """A number that should have a pod, the revision that it should be of, and what it has."""

    number: int
    revision: str
    pod: pod_pb2.Pod | None = None
    is_ready: bool = False
    is_available: bool = False


@dataclass(slots=True)
class Step:
    """The pods to end, and the numbers that get one."""

    ended: list[pod_pb2.Pod] = field(default_factory=list)
    made: list[Slot] = field(default_factory=list)


def step(
    stateful_set: stateful_set_pb2.StatefulSet,
    slots: Sequence[Slot],
    unwanted: Sequence[pod_pb2.Pod],
) -> Step:
    """Return the next step; slots and unwanted pods come with the lowest number first.

    Numbers without a pod may be missing at the end of the slots: there may be millions of them.
    """
    result = Step()
    ordered = stateful_set.spec.pod_management_policy != "Parallel"
    total = replicas(stateful_set.spec)
    unavailable = total - sum(slot.is_available for slot in slots)
    _grow(slots, result, ordered=ordered)
    if not ordered:
        result.ended += [pod for pod in reversed(unwanted) if not is_deleting(pod.metadata)]
    elif unwanted and not unavailable and not is_deleting(unwanted[-1].metadata):
        result.ended.append(unwanted[-1])
    if stateful_set.spec.update_strategy.type != "OnDelete":
        _repair(slots, result)
        if not (ordered and unwanted):
            rolling = stateful_set.spec.update_strategy.rolling_update
            first = stateful_set.spec.ordinals.start + rolling.partition
            rolled = [slot for slot in slots if slot.number >= first]
            _roll(rolled, _room(rolling, total) - unavailable, result)
    return result


def partition(strategy: stateful_set_pb2.StatefulSetUpdateStrategy) -> int:
    """Return how many of the lowest numbers keep the former template."""
    return 0 if strategy.type == "OnDelete" else strategy.rolling_update.partition


def _grow(slots: Sequence[Slot], result: Step, *, ordered: bool) -> None:
    for slot in slots:
        if slot.pod is None:
            result.made.append(slot)
        if ordered and not slot.is_available:
            return


def _repair(slots: Sequence[Slot], result: Step) -> None:
    """End the pods that do not serve and are not of the revision that they should be of."""
    for slot in reversed(slots):
        pod = slot.pod
        if pod is None or is_deleting(pod.metadata) or is_finished(pod) or slot.is_ready:
            continue
        if revision_of(pod) != slot.revision:
            result.ended.append(pod)


def _roll(slots: Sequence[Slot], room: int, result: Step) -> None:
    """End so many pods that serve and are of a former revision, from the highest number."""
    for slot in reversed(slots):
        if room <= 0:
            return
        if slot.pod is not None and slot.is_available and revision_of(slot.pod) != slot.revision:
            result.ended.append(slot.pod)
            room -= 1


def _room(rolling: stateful_set_pb2.RollingUpdateStatefulSetStrategy, total: int) -> int:
    if not rolling.HasField("max_unavailable"):
        return 1
    return max(1, _resolved(rolling.max_unavailable, total))


def _resolved(value: meta_pb2.IntOrString, total: int) -> int:
    if value.type != 1:
        return value.int_val
    digits = value.str_val.removesuffix("%")
    if not digits.isdecimal() or len(digits) > _DIGITS_MAX:
        return 0
    return math.ceil(int(digits) * total / 100)
