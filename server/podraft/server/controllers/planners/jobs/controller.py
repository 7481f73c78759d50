"""The triggers of the Job controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import JOB, POD, KnownKinds
from podraft.api.objects import owners
from podraft.api.objects.pods import ready_condition
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, namespace_of_orphan
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import adopters, controllers_of, itself, subject
from podraft.server.controllers.planners.jobs.plan import BY_JOB, plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "jobs",
        plan,
        {JOB: itself, POD: _owning},
        indexes={POD: {BY_ORPHAN_NAMESPACE: namespace_of_orphan, BY_JOB: _job_of}},
        pace_s=0.05,
        workers=4,
        subject=subject(JOB),
        failure="FailedCreate",
    )


def _job_of(pod: pod_pb2.Pod) -> Iterator[str]:
    reference = owners.controller_of(pod.metadata)
    if reference is not None and owners.names_kind(reference, JOB):
        yield f"{pod.metadata.namespace}/{reference.name}"


def _owning(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    if old is not None and new is not None and not _matters(old, new):
        return
    yield from controllers_of(JOB, old, new)
    yield from adopters(snapshot, JOB, new)


def _matters(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        old.status.phase != new.status.phase
        or ready_condition(old) != ready_condition(new)
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.metadata.deletion_grace_period_seconds != new.metadata.deletion_grace_period_seconds
        or old.metadata.labels != new.metadata.labels
        or old.metadata.finalizers != new.metadata.finalizers
        or old.metadata.owner_references != new.metadata.owner_references
        or _restarts(old) != _restarts(new)
    )


def _restarts(pod: pod_pb2.Pod) -> int:
    return sum(status.restart_count for status in pod.status.container_statuses)
