"""An object in full, laid out for people: one function per kind, all pure.

`lines` chooses; the modules beside this one hold the sections.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api import kinds
from podraft.api.core.v1 import scheduling_pb2
from podraft.cli.output.describe import common, others, pods, workloads


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a description shows besides the object: its events, record, and what belongs to it."""

    events: Sequence[Any] = ()
    record: scheduling_pb2.SchedulingRecord | None = None
    replica_sets: Sequence[Any] = ()
    slices: Sequence[Any] = ()
    pods: Sequence[Any] = ()


def lines(obj: Any, around: Surroundings, now_s: float) -> list[str]:
    """Return the description of an object."""
    kind = kinds.BUILT_IN.of(obj)
    body = _body(kind, obj, around, now_s)
    if kind is kinds.EVENT:
        return body
    return body + common.events(around.events, now_s)


def _body(kind: kinds.AnyKind, obj: Any, around: Surroundings, now_s: float) -> list[str]:
    if kind is kinds.POD:
        return pods.pod_lines(obj, around.record, now_s)
    if kind is kinds.DEPLOYMENT:
        return workloads.deployment_lines(obj, around.replica_sets)
    if kind is kinds.SERVICE:
        return others.service_lines(obj, around.slices)
    if kind is kinds.NODE:
        return others.node_lines(obj, around.pods, now_s)
    if kind is kinds.LEASE:
        return others.lease_lines(obj, now_s)
    alone = _ALONE.get(kind, others.any_lines)
    return list(alone(obj))


_ALONE: dict[kinds.AnyKind, Any] = {
    kinds.REPLICA_SET: workloads.replica_set_lines,
    kinds.NAMESPACE: others.namespace_lines,
    kinds.CONFIG_MAP: others.config_map_lines,
    kinds.SECRET: others.secret_lines,
    kinds.ENDPOINT_SLICE: others.endpoint_slice_lines,
    kinds.EVENT: others.event_lines,
}
