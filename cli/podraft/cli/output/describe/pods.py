"""The description of a pod."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podraft.api.columns import ages
from podraft.api.columns.pod_words import pod_words, terminated_word
from podraft.api.core.v1 import container_pb2, pod_pb2, scheduling_pb2
from podraft.cli.output.describe import common
from podraft.cli.output.describe.layout import NONE, Below, block, mapping
from podraft.cli.output.describe.scheduling import record_summary
from podraft.cli.output.describe.templates import Pairs, containers, tolerations, volumes


def pod_lines(
    pod: pod_pb2.Pod, record: scheduling_pb2.SchedulingRecord | None, now_s: float
) -> list[str]:
    """Return everything of a pod but its events."""
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
    if record is not None:
        pairs.append(("Scheduling", record_summary(record)))
    return block(pairs)


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
