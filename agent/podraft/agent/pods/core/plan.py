"""The plan for one pod now: the heart of the agent, a pure function.

Invariant: at most one attempt of a container is ever alive: the next one is planned only after
the latest has ended and nothing for the container is in flight.
"""

from __future__ import annotations

from collections.abc import Iterator

from podraft.agent.pods.core import backoff
from podraft.agent.pods.core.probing import probe_of
from podraft.agent.pods.core.records import (
    Action,
    ContainerPhase,
    Decision,
    DeletePod,
    Failure,
    Inputs,
    KillContainer,
    ObservedContainer,
    PrepareImage,
    PrepareSandbox,
    ProbeKey,
    ProbeKind,
    ReleaseSandbox,
    RemoveContainer,
    StartContainer,
)
from podraft.agent.pods.core.status import pod_status
from podraft.agent.pods.core.view import ContainerView, PodView, arrange
from podraft.api.objects.deletion import grace_s


def plan(inputs: Inputs) -> Decision:
    """Return the actions that bring a pod nearer to its spec, its status, and the next wake-up."""
    view = arrange(inputs)
    wakes: list[float] = []
    if inputs.terminating_since_s is not None:
        actions = list(_terminate(view, inputs.terminating_since_s))
    elif view.ended:
        actions = list(_finish(view))
    else:
        if view.deadline_s is not None:
            wakes.append(view.deadline_s)
        actions = list(_run(view, wakes))
    return Decision(
        actions=tuple(action for action in actions if _may_begin(action, inputs.in_flight)),
        status=pod_status(view),
        probes=frozenset(_probes(view)),
        wake_at_s=min((at_s for at_s in wakes if at_s > inputs.now_s), default=None),
    )


def _may_begin(action: Action, in_flight: frozenset[str]) -> bool:
    """Return whether an action may begin; a kill may be repeated with a nearer deadline."""
    return isinstance(action, KillContainer) or action.key not in in_flight


# Running.


def _run(view: PodView, wakes: list[float]) -> Iterator[Action]:
    yield from _prepare_sandbox(view, wakes)
    yield from _remove_superseded(view)
    current = view.current_init
    if current is not None:
        yield from _advance(view, current, wakes)
        # The images of the next containers are fetched while the init containers run.
        for container in view.main:
            yield from _prepare_image(view, container, wakes)
        return
    for container in view.main:
        yield from _advance(view, container, wakes)


def _prepare_sandbox(view: PodView, wakes: list[float]) -> Iterator[Action]:
    if view.inputs.address is not None:
        return
    failure = view.inputs.sandbox_failure
    if failure is not None and _waits(backoff.retry_at_s(failure), view, wakes):
        return
    yield PrepareSandbox()


def _advance(view: PodView, container: ContainerView, wakes: list[float]) -> Iterator[Action]:
    latest = container.latest
    if latest is not None and latest.phase is ContainerPhase.RUNNING:
        yield from _condemn(view, container, latest)
        return
    if container.finished or _busy(view, container):
        return
    if container.exited is not None and _waits(container.restart_at_s, view, wakes):
        return
    yield from _prepare_image(view, container, wakes)
    image = view.inputs.images.get(container.image_key)
    failure = view.inputs.failures.get(container.name)
    if failure is not None and _waits(backoff.retry_at_s(failure), view, wakes):
        return
    if view.inputs.address is not None and isinstance(image, str):
        yield StartContainer(
            container.name, container.next_attempt, container.next_backoff_s, image
        )


def _prepare_image(view: PodView, container: ContainerView, wakes: list[float]) -> Iterator[Action]:
    if container.running or container.finished or _busy(view, container):
        return
    match view.inputs.images.get(container.image_key):
        case str():
            return
        case Failure() as failure if _waits(backoff.image_retry_at_s(failure), view, wakes):
            return
    yield PrepareImage(container.name, container.next_attempt)


def _condemn(
    view: PodView, container: ContainerView, running: ObservedContainer
) -> Iterator[Action]:
    """Kill a running container that its probes condemn or whose image was changed."""
    now_s = view.inputs.now_s
    if running.image and running.image != container.spec.image:
        yield KillContainer(running.id, container.name, now_s + grace_s(view.pod), "image changed")
        return
    kind = view.unhealthy(container)
    if kind is None:
        return
    probe = probe_of(container.spec, kind)
    grace = float(grace_s(view.pod))
    if probe is not None and probe.HasField("termination_grace_period_seconds"):
        grace = float(probe.termination_grace_period_seconds)
    yield KillContainer(running.id, container.name, now_s + grace, f"{kind.value} probe failed")


def _remove_superseded(view: PodView) -> Iterator[Action]:
    """Remove all attempts but the latest and the one before it, whose exit the status shows."""
    for container in view.all:
        for observed in _attempts(view, container.name)[:-2]:
            if observed.phase is ContainerPhase.EXITED:
                yield RemoveContainer(observed.id)


# Ending.


def _finish(view: PodView) -> Iterator[Action]:
    """End a pod that is over: stop what runs, keep the ended containers for their exit codes."""
    yield from _kill_all(view, view.inputs.now_s + grace_s(view.pod), "pod ended")
    if _quiet(view) and not view.inputs.sandbox_released:
        yield ReleaseSandbox()


def _terminate(view: PodView, since_s: float) -> Iterator[Action]:
    """End a deleted pod: stop everything, release everything, then delete the pod from the API."""
    yield from _kill_all(view, since_s + grace_s(view.pod), "pod deleted")
    if not _quiet(view):
        return
    if view.inputs.containers:
        for container in view.inputs.containers:
            yield RemoveContainer(container.id)
    elif not view.inputs.sandbox_released:
        yield ReleaseSandbox()
    elif all(key.startswith("image/") for key in view.inputs.in_flight):
        # A pull in progress holds nothing of the pod, and may take very long.
        yield DeletePod()


def _kill_all(view: PodView, deadline_s: float, reason: str) -> Iterator[Action]:
    for container in view.inputs.containers:
        if container.phase is ContainerPhase.RUNNING:
            yield KillContainer(container.id, container.name, deadline_s, reason)


def _quiet(view: PodView) -> bool:
    """Return whether nothing runs and nothing that could start something is in flight."""
    if any(c.phase is ContainerPhase.RUNNING for c in view.inputs.containers):
        return False
    return not any(
        key == "sandbox" or key.startswith(("start/", "kill/")) for key in view.inputs.in_flight
    )


# Shared functions.


def _busy(view: PodView, container: ContainerView) -> bool:
    """Return whether an action on the container's latest attempt is still in flight."""
    keys = {f"start/{container.name}"}
    if container.latest is not None:
        keys |= {f"kill/{container.latest.id}", f"remove/{container.latest.id}"}
    return not keys.isdisjoint(view.inputs.in_flight)


def _waits(at_s: float, view: PodView, wakes: list[float]) -> bool:
    if at_s <= view.inputs.now_s:
        return False
    wakes.append(at_s)
    return True


def _attempts(view: PodView, name: str) -> list[ObservedContainer]:
    found = [c for c in view.inputs.containers if c.name == name]
    return sorted(found, key=lambda c: c.attempt)


def _probes(view: PodView) -> Iterator[ProbeKey]:
    """Yield the probes to run: startup gates the others; a stopping pod needs no liveness probe."""
    ending = view.inputs.terminating_since_s is not None or view.ended
    for container in view.main:
        if not container.running or container.latest is None:
            continue
        if not view.started(container):
            kinds = [] if ending else [ProbeKind.STARTUP]
        else:
            kinds = [ProbeKind.READINESS] if ending else [ProbeKind.READINESS, ProbeKind.LIVENESS]
        for kind in kinds:
            if probe_of(container.spec, kind) is not None:
                yield ProbeKey(container.latest.id, kind)
