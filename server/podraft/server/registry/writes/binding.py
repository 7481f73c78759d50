"""What a bind does to a pod: one pure function.

Owns: the pod's node, its condition ``PodScheduled`` and its scheduling record.
Invariant: a pod is placed at most once; a failed attempt that says nothing new
writes nothing, so that pods which wait do not fill the store's history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from podraft.api import times
from podraft.api.core.v1.pod_pb2 import Pod, PodCondition
from podraft.api.core.v1.scheduling_pb2 import BindPodRequest, SchedulingRecord
from podraft.server.registry.errors import Code, RefusedError, invalid

_CONDITION: Final = "PodScheduled"
_UNSCHEDULABLE: Final = "Unschedulable"
_RECORD_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class BindDecision:
    """The pod and the encoded record to store; None: as it is."""

    pod: Pod | None
    record: bytes | None


def decide(
    stored: Pod, request: BindPodRequest, record_before: bytes | None, now: datetime
) -> BindDecision:
    """Return what ``request`` changes.

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
    if stored.metadata.HasField("deletion_timestamp"):
        raise RefusedError(Code.FAILED_PRECONDITION, f"{what} is being deleted")
    pod = Pod()
    pod.CopyFrom(stored)
    condition = PodCondition(type=_CONDITION, status="True")
    if request.node_name:
        pod.spec.node_name = request.node_name
    else:
        condition = PodCondition(
            type=_CONDITION,
            status="False",
            reason=_UNSCHEDULABLE,
            message=request.record.message,
        )
    changed = _set_condition(pod, condition, now) or bool(request.node_name)
    record = _record_to_store(request, record_before)
    return BindDecision(pod if changed else None, record)


def _set_condition(pod: Pod, condition: PodCondition, now: datetime) -> bool:
    """Put ``condition`` in the pod's status; say whether that changed anything."""
    for present in pod.status.conditions:
        if present.type != condition.type:
            continue
        same = ("status", "reason", "message")
        if all(getattr(present, field) == getattr(condition, field) for field in same):
            return False
        if present.status == condition.status:
            condition.last_transition_time.CopyFrom(present.last_transition_time)
        else:
            condition.last_transition_time.CopyFrom(times.time_of(now))
        present.CopyFrom(condition)
        return True
    condition.last_transition_time.CopyFrom(times.time_of(now))
    pod.status.conditions.append(condition)
    return True


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
