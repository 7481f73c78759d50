"""The effect of a bind on a pod: one pure function.

Owns: the pod's node, its condition ``PodScheduled`` and its scheduling record.
Invariant: a pod is placed at most once; a failed attempt that says nothing new
writes nothing, so that pods which wait do not fill the store's history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from podraft.api import times
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.core.v1.scheduling_pb2 import BindPodRequest, SchedulingRecord
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting
from podraft.server.registry.errors import Code, RefusedError, invalid

_CONDITION: Final = "PodScheduled"
_UNSCHEDULABLE: Final = "Unschedulable"
_RECORD_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class BindDecision:
    """The pod and the encoded record to store; None: unchanged."""

    pod: Pod | None
    record: bytes | None


def decide(
    stored: Pod, request: BindPodRequest, record_before: bytes | None, now: datetime
) -> BindDecision:
    """Return the changes that ``request`` makes.

    Raises:
        RefusedError: The pod is another one, is bound elsewhere or is being deleted.
    """
    what = f'pods "{request.name}" in namespace "{request.namespace}"'
    if not request.uid:
        raise invalid("uid", "is required")
    if stored.metadata.uid != request.uid:
        raise RefusedError(
            Code.ABORTED, f'{what} has the uid "{stored.metadata.uid}", not "{request.uid[:64]}"'
        )
    if request.record.ByteSize() > _RECORD_BYTES_MAX:
        raise invalid("record", f"is larger than {_RECORD_BYTES_MAX} bytes")
    if stored.spec.node_name:
        if request.node_name == stored.spec.node_name:
            return BindDecision(None, None)  # A repeated call, after an answer that got lost.
        raise RefusedError(
            Code.ABORTED, f'{what} is already bound to node "{stored.spec.node_name}"'
        )
    if is_deleting(stored.metadata):
        raise RefusedError(Code.FAILED_PRECONDITION, f"{what} is being deleted")
    pod = Pod()
    pod.CopyFrom(stored)
    if request.node_name:
        pod.spec.node_name = request.node_name
        _set_scheduled(pod, conditions.TRUE, now)
        changed = True
    else:
        changed = _set_scheduled(pod, conditions.FALSE, now, _UNSCHEDULABLE, request.record.message)
    record = _record_to_store(request, record_before)
    return BindDecision(pod if changed else None, record)


def _set_scheduled(
    pod: Pod, status: str, now: datetime, reason: str = "", message: str = ""
) -> bool:
    return conditions.set_condition(
        pod.status.conditions,
        _CONDITION,
        status,
        times.time_of(now),
        reason=reason,
        message=message,
    )


def _record_to_store(request: BindPodRequest, before: bytes | None) -> bytes | None:
    """Return the record's bytes, or None if the stored one says the same."""
    if not request.HasField("record"):
        return None
    if before is not None and not request.node_name:
        old, new = SchedulingRecord.FromString(before), SchedulingRecord()
        new.CopyFrom(request.record)
        for record in (old, new):
            record.ClearField("attempted_at")
            record.ClearField("attempts")
        if old == new:
            return None
    return request.record.SerializeToString()
