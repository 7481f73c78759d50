"""Why pods are not as they should be: objects in, sentences out.  Pure.

Every sentence names what is wrong and, where known, what would change it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from podraft.api import times
from podraft.api.columns import ages
from podraft.api.columns.events import event_last_s
from podraft.api.columns.pod_words import pod_words, terminated_word
from podraft.api.core.v1 import container_pb2, pod_pb2, scheduling_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_ready
from podraft.cli.output.sections.templates import probe


def is_well(pod: pod_pb2.Pod) -> bool:
    """Return whether nothing about a pod needs an explanation: it is ready, or it completed."""
    if is_deleting(pod.metadata):
        return False
    return pod.status.phase == "Succeeded" or is_ready(pod)


def pod_reasons(
    pod: pod_pb2.Pod,
    events: Sequence[event_pb2.Event],
    record: scheduling_pb2.SchedulingRecord | None,
    now_s: float,
) -> list[str]:
    """Return why a pod is not ready; an empty list when it is well."""
    if is_well(pod):
        return []
    reasons: list[str] = []
    if is_deleting(pod.metadata):
        reasons.append(_terminating(pod, now_s))
    if not pod.spec.node_name:
        return [*reasons, _unscheduled(pod, record)]
    if pod.status.message:
        reasons.append(f"{pod.status.reason or pod.status.phase}: {pod.status.message}")
    specs = {c.name: c for c in (*pod.spec.init_containers, *pod.spec.containers)}
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        spec = specs.get(status.name)
        reasons += _container_reasons(status, now_s)
        if status.state.HasField("running") and not status.ready and spec is not None:
            is_init = any(c.name == status.name for c in pod.spec.init_containers)
            reasons.append(_not_ready(status, spec, events, now_s, is_init=is_init))
    if not reasons:
        reasons += _false_conditions(pod)
    if not reasons and not pod.status.container_statuses:
        reasons.append(
            f"node {pod.spec.node_name} has not reported its containers yet: "
            "is the agent there running?"
        )
    return reasons


def _terminating(pod: pod_pb2.Pod, now_s: float) -> str:
    metadata = pod.metadata
    since_s = now_s - times.seconds_of(metadata.deletion_timestamp)
    held = f"; held by {', '.join(metadata.finalizers)}" if metadata.finalizers else ""
    grace = metadata.deletion_grace_period_seconds
    left = "its time is over" if since_s > 0 else f"it has {ages.human_duration(-since_s)} left"
    return f"it is being deleted with {grace}s to end by itself; {left}{held}"


def _unscheduled(pod: pod_pb2.Pod, record: scheduling_pb2.SchedulingRecord | None) -> str:
    scheduled = conditions.find(pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.status == conditions.FALSE and scheduled.message:
        return f"no node takes it: {scheduled.message}{_wishes(pod, scheduled.message)}"
    if record is not None and record.message:
        return f"no node takes it: {record.message}{_wishes(pod, record.message)}"
    return "the scheduler has not looked at it yet: is it running?"


def _wishes(pod: pod_pb2.Pod, message: str) -> str:
    """Return which of the pod's demands the nodes refused."""
    said = message.lower()
    requests = sorted(_requests(pod).items())
    wishes = [f"{name} {amount}" for name, amount in requests if f"insufficient {name}" in said]
    if "selector" in said and pod.spec.node_selector:
        labels = ",".join(f"{k}={v}" for k, v in sorted(pod.spec.node_selector.items()))
        wishes.append(f"nodes with {labels}")
    return f" It asks for {', '.join(wishes)}." if wishes else ""


def _requests(pod: pod_pb2.Pod) -> dict[str, str]:
    """Return the requests of a pod's containers by resource, as they are written."""
    result: dict[str, list[str]] = {}
    for container in pod.spec.containers:
        for name, quantity in container.resources.requests.items():
            result.setdefault(name, []).append(quantity.string)
    return {name: " + ".join(values) for name, values in result.items()}


def crashed_containers(pod: pod_pb2.Pod) -> list[str]:
    """Return the containers whose last lines of output may say why the pod is not ready."""
    if is_well(pod) or not pod.spec.node_name:
        return []
    return [
        status.name
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
        if not status.ready
        and (
            status.state.terminated.exit_code
            or (status.restart_count and status.last_state.terminated.exit_code)
        )
    ]


def _container_reasons(status: pod_pb2.ContainerStatus, now_s: float) -> list[str]:
    reasons = []
    waiting, ended = status.state.waiting, status.state.terminated
    title = f"container {status.name}"
    if status.state.HasField("waiting"):
        message = f": {waiting.message.strip()}" if waiting.message else ""
        image = f" (image {status.image})" if "Image" in waiting.reason and status.image else ""
        reasons.append(f"{title} waits, {waiting.reason or 'no reason given'}{image}{message}")
    elif status.state.HasField("terminated") and (ended.exit_code or ended.reason != "Completed"):
        reasons.append(f"{title} ended {_ending(ended, now_s)}")
    last = status.last_state.terminated
    if status.last_state.HasField("terminated") and not status.ready:
        reasons.append(
            f"{title} was restarted {status.restart_count} times; before, it ended "
            f"{_ending(last, now_s)}"
        )
    return reasons


def _ending(ended: pod_pb2.ContainerStateTerminated, now_s: float) -> str:
    when = ages.age(ended.finished_at, now_s) if ended.finished_at.seconds else ""
    ago = f" {when} ago" if when else ""
    how = f"with exit code {ended.exit_code}, {terminated_word(ended)}{ago}"
    if ended.exit_code == 137 and ended.reason != "OOMKilled":
        how += " (137: it was killed)"
    if ended.reason == "OOMKilled":
        how += ": it used more memory than its limit"
    if ended.exit_code == 127:
        how += " (127: its command was not found)"
    message = ended.message.strip().splitlines()
    return f"{how}: {message[-1]}" if message else how


def _not_ready(
    status: pod_pb2.ContainerStatus,
    spec: object,
    events: Iterable[event_pb2.Event],
    now_s: float,
    *,
    is_init: bool,
) -> str:
    title = f"container {status.name}"
    if is_init:
        return f"init {title} is running; the other containers start when it has ended"
    if not isinstance(spec, container_pb2.Container):
        return f"{title} runs but is not ready"
    unhealthy = [event for event in events if event.reason == "Unhealthy"]
    latest = max(unhealthy, key=event_last_s, default=None)
    said = (
        f"; {ages.human_duration(now_s - event_last_s(latest))} ago: {latest.note}"
        if latest
        else ""
    )
    if spec.HasField("startup_probe") and not status.started:
        return (
            f"{title} runs, its startup probe has not succeeded ({probe(spec.startup_probe)}){said}"
        )
    if spec.HasField("readiness_probe"):
        return f"{title} runs, its readiness probe fails ({probe(spec.readiness_probe)}){said}"
    return f"{title} runs but is not ready{said}"


def _false_conditions(pod: pod_pb2.Pod) -> list[str]:
    return [
        f"{c.type} is {c.status}: {': '.join(part for part in (c.reason, c.message) if part)}"
        for c in pod.status.conditions
        if c.status != "True" and (c.reason or c.message)
    ]


@dataclass(frozen=True, slots=True)
class Blocked:
    """A reason that some pods share."""

    reason: str
    pods: tuple[str, ...]


def blocked_pods(
    pods: Iterable[pod_pb2.Pod],
    records: Mapping[str, scheduling_pb2.SchedulingRecord],
    now_s: float,
) -> list[Blocked]:
    """Return why pods are not ready, the most common reason first."""
    by_reason: dict[str, list[str]] = {}
    for pod in pods:
        if is_deleting(pod.metadata):
            continue
        reasons = pod_reasons(pod, (), records.get(pod.metadata.name), now_s)
        if reasons:
            word = pod_words(pod, now_s).status
            by_reason.setdefault(f"{word}: {reasons[0]}", []).append(pod.metadata.name)
    ordered = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    return [Blocked(reason, tuple(names)) for reason, names in ordered]
