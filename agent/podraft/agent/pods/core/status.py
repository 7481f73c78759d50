"""A pod's status as derived from observations: phase, conditions and states, as in Kubernetes.

Invariant: a final phase (Succeeded, Failed) never changes again, and a condition's transition
time changes only when its status does.
"""

from __future__ import annotations

from podraft.agent.pods.core.records import ContainerPhase, Failure, ObservedContainer
from podraft.agent.pods.core.view import ContainerView, PodView
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import conditions
from podraft.api.objects.amounts import qos_class
from podraft.api.objects.pods import FINAL_PHASES
from podraft.api.times import time_at


def pod_status(view: PodView) -> pod_pb2.PodStatus:
    """Return the status that the API should hold."""
    stored = view.pod.status
    status = pod_pb2.PodStatus()
    status.init_container_statuses.extend(_container(view, c) for c in view.init)
    status.container_statuses.extend(_container(view, c) for c in view.main)
    status.phase = _phase(view, status)
    if stored.phase in FINAL_PHASES:
        _keep(status, stored)
    elif view.deadline_exceeded:
        status.reason = "DeadlineExceeded"
        status.message = "Pod was active on the node longer than the specified deadline"
    _addresses(view, status)
    started = stored.HasField("start_time")
    status.start_time.CopyFrom(stored.start_time if started else time_at(view.inputs.now.wall_s))
    status.qos_class = stored.qos_class or qos_class(view.pod.spec)
    if view.pod.metadata.HasField("generation"):
        status.observed_generation = view.pod.metadata.generation
    _conditions(view, status)
    return status


def _keep(status: pod_pb2.PodStatus, stored: pod_pb2.PodStatus) -> None:
    for field in ("reason", "message"):
        if stored.HasField(field):
            setattr(status, field, getattr(stored, field))


def _addresses(view: PodView, status: pod_pb2.PodStatus) -> None:
    stored = view.pod.status
    status.host_ip = view.inputs.node_ip
    status.host_ips.add(ip=view.inputs.node_ip)
    address = view.inputs.address or stored.pod_ip
    if address:
        status.pod_ip = address
        status.pod_ips.add(ip=address)


def _phase(view: PodView, status: pod_pb2.PodStatus) -> str:
    stored = view.pod.status.phase
    if stored in FINAL_PHASES:
        return stored
    if view.deadline_exceeded:
        return "Failed"
    if view.ended:
        well = view.initialized and all(c.succeeded for c in view.main)
        return "Succeeded" if well else "Failed"
    if not view.initialized:
        return "Pending"
    fresh = [c for c in status.container_statuses if _never_ran(c)]
    return "Pending" if fresh else "Running"


def _never_ran(container: pod_pb2.ContainerStatus) -> bool:
    return container.state.HasField("waiting") and not container.HasField("last_state")


# Containers.


def _container(view: PodView, container: ContainerView) -> pod_pb2.ContainerStatus:
    status = pod_pb2.ContainerStatus(
        name=container.name,
        image=container.spec.image,
        image_id="",
        restart_count=container.latest.attempt if container.latest else container.lost_attempts,
        ready=view.ready(container) if not container.init else container.succeeded,
        started=view.started(container),
    )
    latest = container.latest
    if latest is not None:
        status.image_id = latest.image_id
        status.container_id = f"podman://{latest.id}"
    last = _state(view, container, status.state)
    if last is not None:
        _terminated(last, status.last_state.terminated)
    return status


def _state(
    view: PodView, container: ContainerView, state: pod_pb2.ContainerState
) -> ObservedContainer | None:
    """Fill in the state; return the ended attempt that ``lastState`` shows, if there is one."""
    latest = container.latest
    if latest is None or latest.phase is ContainerPhase.CREATED:
        _waiting(view, container, state.waiting)
        return container.previous
    if latest.phase is ContainerPhase.RUNNING:
        state.running.started_at.CopyFrom(time_at(latest.started_s))
        return container.previous
    ending = view.inputs.terminating_since_s is not None or view.ended
    if ending or not container.restarts:
        _terminated(latest, state.terminated)
        return container.previous
    delay_s = container.restart_at_s - container.now.moment_s(latest.finished_s)
    if container.restart_at_s > view.inputs.now_s:
        state.waiting.reason = "CrashLoopBackOff"
        state.waiting.message = (
            f"back-off {delay_s:.0f}s restarting failed container={container.name} "
            f"pod={view.pod.metadata.name}_{view.pod.metadata.namespace}"
        )
        return latest
    failure = view.inputs.failures.get(container.name)
    if failure is not None or isinstance(view.inputs.images.get(container.image_key), Failure):
        _waiting(view, container, state.waiting)
        return latest
    _terminated(latest, state.terminated)
    return container.previous


def _waiting(
    view: PodView, container: ContainerView, waiting: pod_pb2.ContainerStateWaiting
) -> None:
    inputs = view.inputs
    image = inputs.images.get(container.image_key)
    failure = inputs.failures.get(container.name)
    waiting.reason = "PodInitializing" if view.init and not container.init else "ContainerCreating"
    if isinstance(image, Failure):
        pulling_again = image.reason == "ErrImagePull" and image.count > 1
        waiting.reason = "ImagePullBackOff" if pulling_again else image.reason
        prefix = f'Back-off pulling image "{container.spec.image}": ' if pulling_again else ""
        waiting.message = prefix + image.message
    elif failure is not None:
        waiting.reason, waiting.message = failure.reason, failure.message
    elif inputs.sandbox_failure is not None and inputs.address is None:
        failure = inputs.sandbox_failure
        waiting.message = f"{failure.reason}: {failure.message}"


def _terminated(ended: ObservedContainer, state: pod_pb2.ContainerStateTerminated) -> None:
    state.exit_code = ended.exit_code
    state.reason = ended.reason or ("Completed" if ended.exit_code == 0 else "Error")
    if ended.message:
        state.message = ended.message
    if ended.started_s:
        state.started_at.CopyFrom(time_at(ended.started_s))
    state.finished_at.CopyFrom(time_at(ended.finished_s))
    state.container_id = f"podman://{ended.id}"


# Conditions.


def _conditions(view: PodView, status: pod_pb2.PodStatus) -> None:
    scheduled = conditions.find(view.pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == "True":
        status.conditions.append(scheduled)
    else:
        _condition(view, status, "PodScheduled", holds=True)
    ended = status.phase in FINAL_PHASES
    unfinished = [c.name for c in view.init if not c.succeeded]
    initialized = view.initialized
    _condition(
        view,
        status,
        "Initialized",
        holds=initialized,
        reason="" if initialized else "ContainersNotInitialized",
        message="" if initialized else f"containers with incomplete status: {_names(unfinished)}",
    )
    unready = [c.name for c in status.container_statuses if not c.ready]
    if ended:
        reason = "PodCompleted" if status.phase == "Succeeded" else "PodFailed"
        message = ""
    else:
        reason = "ContainersNotReady" if unready else ""
        message = f"containers with unready status: {_names(unready)}" if unready else ""
    for kind in ("ContainersReady", "Ready"):
        holds = not ended and not unready
        _condition(view, status, kind, holds=holds, reason=reason, message=message)


def _names(names: list[str]) -> str:
    return f"[{' '.join(names)}]"


def _condition(
    view: PodView,
    status: pod_pb2.PodStatus,
    kind: str,
    *,
    holds: bool,
    reason: str = "",
    message: str = "",
) -> None:
    condition = status.conditions.add(
        type=kind, status=conditions.TRUE if holds else conditions.FALSE
    )
    if reason:
        condition.reason = reason
    if message:
        condition.message = message
    stored = conditions.find(view.pod.status.conditions, kind)
    now = time_at(view.inputs.now.wall_s)
    condition.last_transition_time.CopyFrom(
        conditions.transition_time(stored, condition.status, now)
    )
