"""The observed state of a Deployment: counts, and whether it is available and progresses.

Owns: the status and its conditions; the words are Kubernetes'.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api import times
from podraft.api.apps.v1 import deployment_pb2
from podraft.api.moments import Now
from podraft.api.objects import conditions
from podraft.api.objects.workloads import progress_deadline_s
from podraft.server.controllers.core import objects
from podraft.server.controllers.planners.deployments.history import History
from podraft.server.controllers.planners.deployments.scaling import Bounds

# The value that means "no deadline".
_NO_DEADLINE = 2**31 - 1
NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"


@dataclass(frozen=True, slots=True)
class Step:
    """The actions of this pass that the conditions report."""

    created: str = ""
    collisions: int = 0


def status_of(
    deployment: deployment_pb2.Deployment,
    history: History,
    bounds: Bounds,
    step: Step,
    now: Now,
) -> deployment_pb2.DeploymentStatus:
    """Return the status that follows from the replica sets' statuses."""
    status = _counts(deployment, history, bounds)
    status.collision_count = step.collisions
    status.conditions.extend(deployment.status.conditions)
    _set_available(status, bounds, now)
    _set_progressing(deployment, status, history, bounds, step, now)
    return status


def _counts(
    deployment: deployment_pb2.Deployment, history: History, bounds: Bounds
) -> deployment_pb2.DeploymentStatus:
    sets = history.all
    available = sum(rs.status.available_replicas for rs in sets)
    total = sum(rs.spec.replicas for rs in sets)
    return deployment_pb2.DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in sets),
        updated_replicas=history.new.status.replicas if history.new is not None else 0,
        ready_replicas=sum(rs.status.ready_replicas for rs in sets),
        available_replicas=available,
        unavailable_replicas=max(0, max(total, bounds.replicas) - available),
        terminating_replicas=sum(rs.status.terminating_replicas for rs in sets),
    )


def is_complete(
    deployment: deployment_pb2.Deployment, status: deployment_pb2.DeploymentStatus, replicas: int
) -> bool:
    """Return whether all wanted pods, and only they, run the current template."""
    return (
        status.updated_replicas == replicas
        and status.replicas == replicas
        and status.available_replicas == replicas
        and status.observed_generation >= deployment.metadata.generation
    )


def deadline_in_s(
    deployment: deployment_pb2.Deployment,
    status: deployment_pb2.DeploymentStatus,
    replicas: int,
    now: Now,
) -> float | None:
    """Return the seconds after which a rollout that does not move is stuck; None if never."""
    progressing = conditions.find(status.conditions, "Progressing")
    if (
        progressing is None
        or not _has_deadline(deployment)
        or progressing.reason == TIMED_OUT
        or deployment.spec.paused
        or is_complete(deployment, status, replicas)
    ):
        return None
    unmoved_s = now.age_s(times.seconds_of(progressing.last_update_time))
    # Times are whole seconds: the last one has to pass completely.
    return max(0.1, progress_deadline_s(deployment.spec) + 1 - unmoved_s)


def _has_deadline(deployment: deployment_pb2.Deployment) -> bool:
    return progress_deadline_s(deployment.spec) != _NO_DEADLINE


def _set_available(status: deployment_pb2.DeploymentStatus, bounds: Bounds, now: Now) -> None:
    if status.available_replicas >= bounds.available_min:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
        _set(status, "Available", "True", reason, message, now)
    else:
        reason = "MinimumReplicasUnavailable"
        message = "Deployment does not have minimum availability."
        _set(status, "Available", "False", reason, message, now)


def _set_progressing(
    deployment: deployment_pb2.Deployment,
    status: deployment_pb2.DeploymentStatus,
    history: History,
    bounds: Bounds,
    step: Step,
    now: Now,
) -> None:
    current = conditions.find(status.conditions, "Progressing")
    if not _has_deadline(deployment):
        if current is not None:
            status.conditions.remove(current)
        return
    reason = current.reason if current is not None else ""
    name = history.new.metadata.name if history.new is not None else step.created
    subject = f'ReplicaSet "{name}"' if name else f'Deployment "{deployment.metadata.name}"'
    if deployment.spec.paused:
        if reason != "DeploymentPaused":
            _progressing(status, "Unknown", "DeploymentPaused", "Deployment is paused", now)
    elif step.created:
        message = f'Created new replica set "{step.created}"'
        _progressing(status, "True", "NewReplicaSetCreated", message, now)
    elif reason == "DeploymentPaused":
        _progressing(status, "Unknown", "DeploymentResumed", "Deployment is resumed", now)
    elif is_complete(deployment, status, bounds.replicas):
        if reason != NEW_AVAILABLE:
            message = f"{subject} has successfully progressed."
            _progressing(status, "True", NEW_AVAILABLE, message, now)
    elif reason == NEW_AVAILABLE and status.updated_replicas == status.replicas:
        return  # It was complete; a pod that fails later is no failed rollout.
    elif reason == NEW_AVAILABLE or _moved(deployment.status, status):
        _progressing(status, "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
    elif current is None:
        message = f"Found new replica set {subject}" if name else f"{subject} is progressing."
        _progressing(status, "True", "FoundNewReplicaSet", message, now)
    elif reason != TIMED_OUT and _is_overdue(deployment, current, now):
        message = f"{subject} has timed out progressing."
        _progressing(status, "False", TIMED_OUT, message, now)


def _moved(before: deployment_pb2.DeploymentStatus, after: deployment_pb2.DeploymentStatus) -> bool:
    """Return whether anything came nearer to the spec since the last status."""
    return (
        after.updated_replicas > before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def _is_overdue(
    deployment: deployment_pb2.Deployment,
    progressing: deployment_pb2.DeploymentCondition,
    now: Now,
) -> bool:
    unmoved_s = now.age_s(times.seconds_of(progressing.last_update_time))
    return progressing.reason != NEW_AVAILABLE and unmoved_s > progress_deadline_s(deployment.spec)


def _progressing(
    status: deployment_pb2.DeploymentStatus, value: str, reason: str, message: str, now: Now
) -> None:
    _set(status, "Progressing", value, reason, message, now, refresh=True)


def _set(
    status: deployment_pb2.DeploymentStatus,
    type_: str,
    value: str,
    reason: str,
    message: str,
    now: Now,
    *,
    refresh: bool = False,
) -> None:
    """Set a condition; ``refresh`` renews its update time although nothing else changed."""
    found = conditions.find(status.conditions, type_)
    if found is None:
        found = status.conditions.add(type=type_)
    elif (found.status, found.reason) == (value, reason) and not refresh:
        return
    moment = objects.time_of(now)
    conditions.set_condition(
        status.conditions, type_, value, moment, reason=reason, message=message
    )
    found.last_update_time.CopyFrom(moment)
