"""The word for a pod's state, computed as kubectl computes it.

The rules are those that users of kubectl know: the first init container that is
not done gives ``Init:…``; otherwise the first container with a reason wins; a
pod being deleted is ``Terminating``, whatever the state of its containers.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api import times
from podraft.api.columns import ages
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.conditions import is_true
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished, is_ready


@dataclass(frozen=True, slots=True)
class PodWords:
    """The computed columns of a pod."""

    status: str
    ready: str
    restarts: str


def pod_words(pod: pod_pb2.Pod, now_s: float) -> PodWords:
    """Return a pod's status word, ready count and restarts."""
    status = pod.status
    word = status.reason or status.phase or "Pending"
    init_word = _init_word(pod)
    counted = list(status.init_container_statuses)
    ready = 0
    if init_word is not None:
        word = init_word
    if init_word is None or is_true(pod.status.conditions, "Initialized"):
        counted = list(status.container_statuses)
        word, ready = _containers_word(pod, word)
    if is_deleting(pod.metadata):
        if status.reason == "NodeLost":
            word = "Unknown"
        elif not is_finished(pod):
            word = "Terminating"
    return PodWords(word, f"{ready}/{len(pod.spec.containers)}", _restarts(counted, now_s))


def _init_word(pod: pod_pb2.Pod) -> str | None:
    for index, container in enumerate(pod.status.init_container_statuses):
        state = container.state
        if state.HasField("terminated"):
            if state.terminated.exit_code == 0:
                continue
            return f"Init:{terminated_word(state.terminated)}"
        if state.waiting.reason and state.waiting.reason != "PodInitializing":
            return f"Init:{state.waiting.reason}"
        return f"Init:{index}/{len(pod.spec.init_containers)}"
    return None


def terminated_word(state: pod_pb2.ContainerStateTerminated) -> str:
    """Return why a container ended, in one word."""
    if state.reason:
        return state.reason
    return f"Signal:{state.signal}" if state.signal else f"ExitCode:{state.exit_code}"


def _containers_word(pod: pod_pb2.Pod, word: str) -> tuple[str, int]:
    ready, has_running = 0, False
    for container in reversed(pod.status.container_statuses):
        state = container.state
        if state.waiting.reason:
            word = state.waiting.reason
        elif state.HasField("terminated"):
            word = terminated_word(state.terminated)
        elif container.ready and state.HasField("running"):
            has_running = True
            ready += 1
    if word == "Completed" and has_running:
        word = "Running" if is_ready(pod) else "NotReady"
    return word, ready


def _restarts(containers: list[pod_pb2.ContainerStatus], now_s: float) -> str:
    count = sum(container.restart_count for container in containers)
    ended = [
        times.seconds_of(c.last_state.terminated.finished_at)
        for c in containers
        # A container that never started has no finishing time, or the zero time.
        if c.last_state.terminated.finished_at.seconds > 0
    ]
    if count and ended:
        return f"{count} ({ages.human_duration(now_s - max(ended))} ago)"
    return str(count)
