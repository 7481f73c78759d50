"""The view of a pod: where it is, the state of its containers, why it is not ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podraft.api.characters import one_line
from podraft.api.columns import ages
from podraft.api.columns.pod_words import pod_words, terminated_word
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.objects.pods import is_ready
from podraft.cli.kinds.pod_reasons import pod_reasons
from podraft.cli.kinds.view import (
    Explanation,
    Need,
    RunningView,
    Surroundings,
    bullets,
    latest_events,
)
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, Below, block, indented, mapping
from podraft.cli.output.sections.scheduling import record_lines, record_summary
from podraft.cli.output.sections.templates import Pairs, containers, tolerations, volumes
from podraft.cli.plans.rollouts import Progress


class PodView(RunningView[pod_pb2.Pod]):
    """The view of a pod; the scheduler's record matters as much as the pod's own status."""

    describe_needs = frozenset({Need.EVENTS, Need.RECORD})

    def body(self, pod: pod_pb2.Pod, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a pod without its events."""
        spec, status = pod.spec, pod.status
        pairs = common.metadata(pod.metadata, namespaced=True)
        pairs += [
            ("Node", f"{spec.node_name}/{status.host_ip}" if spec.node_name else NONE),
            ("Start Time", ages.full(status.start_time)),
            ("Status", pod_words(pod, now_s).status),
            ("IP", status.pod_ip or NONE),
        ]
        if status.reason:
            pairs.append(("Reason", status.reason))
        if status.message:
            pairs.append(("Message", status.message))
        if spec.init_containers:
            states = _states(status.init_container_statuses)
            pairs.append(("Init Containers", Below(containers(spec.init_containers, states))))
        states = _states(status.container_statuses)
        pairs.append(("Containers", Below(containers(spec.containers, states))))
        pairs.append(("Conditions", common.conditions(status.conditions)))
        pairs.append(("Volumes", Below(volumes(spec.volumes))))
        pairs += [
            ("QoS Class", status.qos_class or NONE),
            ("Node-Selectors", mapping(spec.node_selector)),
            ("Tolerations", tolerations(spec.tolerations)),
        ]
        if around.record is not None:
            pairs.append(("Scheduling", record_summary(around.record)))
        return block(pairs)

    def why_needs(self, pod: pod_pb2.Pod) -> frozenset[Need]:
        """Return what is needed to explain a pod."""
        return frozenset({Need.EVENTS, Need.RECORD, Need.LAST_WORDS})

    def why(self, pod: pod_pb2.Pod, around: Surroundings, now_s: float) -> Explanation:
        """Return why a pod is on its node, or on none, and why it does not run."""
        where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ", on no node"
        found = pod_reasons(pod, around.events, around.record, now_s)
        title = "Why it is not ready:" if found else "It is as it should be."
        lines = ["", title, *bullets(found)]
        for container, words in around.last_words.items():
            said = [f"  | {one_line(line)}" for line in words]
            lines += ["", f"Last lines of container {container}:", *said]
        lines += ["", "Scheduling:", *_scheduling(pod, around, now_s)]
        lines += latest_events(around.events, now_s)
        return Explanation(lines, pod_words(pod, now_s).status, where)

    def progress(self, pod: pod_pb2.Pod, now_s: float) -> Progress:
        """Return how far a pod is on its way to being ready."""
        name, words = pod.metadata.name, pod_words(pod, now_s)
        if pod.status.phase == "Succeeded":
            return Progress(f'pod "{name}" completed', done=True)
        if pod.status.phase == "Failed":
            return Progress(f'pod "{name}" failed: {words.status}', failed=True)
        if is_ready(pod):
            return Progress(f'pod "{name}" is ready', done=True)
        return Progress(f'Waiting for pod "{name}" to be ready: {words.status}...')


def _scheduling(pod: pod_pb2.Pod, around: Surroundings, now_s: float) -> list[str]:
    if around.record is not None:
        return indented(record_lines(around.record, now_s))
    said = "it was created with its node" if pod.spec.node_name else "not looked at yet"
    return [f"  {said}; there is no record"]


def _states(
    statuses: Iterable[pod_pb2.ContainerStatus],
) -> Callable[[container_pb2.Container], Pairs]:
    by_name = {status.name: status for status in statuses}

    def state_of(container: container_pb2.Container) -> Pairs:
        status = by_name.get(container.name)
        if status is None:
            return []
        pairs: Pairs = [("State", state_text(status.state))]
        if status.last_state.ListFields():
            pairs.append(("Last State", state_text(status.last_state)))
        pairs += [
            ("Ready", str(status.ready)),
            ("Restart Count", str(status.restart_count)),
        ]
        if status.container_id:
            pairs.append(("Container ID", status.container_id))
        return pairs

    return state_of


def state_text(state: pod_pb2.ContainerState) -> str:
    """Return a container's state in one line."""
    if state.HasField("running"):
        return f"Running since {ages.full(state.running.started_at)}"
    if state.HasField("terminated"):
        ended = state.terminated
        parts = [f"Terminated: {terminated_word(ended)}, exit code {ended.exit_code}"]
        if ended.finished_at.seconds:
            parts.append(f"at {ages.full(ended.finished_at)}")
        if ended.message:
            parts.append(f"({ended.message.strip()})")
        return " ".join(parts)
    if state.HasField("waiting"):
        reason = state.waiting.reason or "no reason given"
        message = f" ({state.waiting.message.strip()})" if state.waiting.message else ""
        return f"Waiting: {reason}{message}"
    return "Waiting"
