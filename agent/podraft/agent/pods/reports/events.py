"""Events of a pod on this node, told to users in the words that they know from Kubernetes.

Invariant: reporting never waits and never fails; the recorder joins repetitions, writes in the
background and drops what exceeds its bounds.
"""

from __future__ import annotations

import time
from typing import Literal, Protocol

from google.protobuf.message import Message

from podraft.agent.pods.core.records import ProbeKind
from podraft.api.core.v1 import container_pb2, pod_pb2, reference_pb2

_BACK_OFFS = frozenset({"CrashLoopBackOff", "ImagePullBackOff"})


class Recorder(Protocol):
    """The part of the event recorder that is needed here."""

    def record(
        self, regarding: Message, type_: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Record that something happened to an object; return at once."""


class PodEvents:
    """The Events of one pod; nothing is reported before `about` has named the pod."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._pod = reference_pb2.ObjectReference()
        self._images: dict[str, str] = {}
        self._backing_off: frozenset[tuple[str, str]] = frozenset()

    def about(self, pod: pod_pb2.Pod) -> None:
        """Set the pod that the following Events are about."""
        metadata = pod.metadata
        self._pod = reference_pb2.ObjectReference(
            kind="Pod",
            api_version="v1",
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
        )
        every = (*pod.spec.init_containers, *pod.spec.containers)
        self._images = {container.name: container.image for container in every}

    def pull(self, container: container_pb2.Container) -> Pull:
        """Return a reporter of the pull of one image."""
        return Pull(self, container)

    def image_failed(self, container: container_pb2.Container, reason: str, message: str) -> None:
        """Report that an image is unavailable."""
        if reason == "ErrImagePull":
            message = f'Failed to pull image "{container.image}": {message}'
            reason = "Failed"
        self.tell("Warning", reason, message, container.name)

    def created(self, container: str) -> None:
        """Report that an attempt was created."""
        self.tell("Normal", "Created", f"Created container {container}", container)

    def started(self, container: str) -> None:
        """Report that an attempt's process runs."""
        self.tell("Normal", "Started", f"Started container {container}", container)

    def start_failed(self, container: str, message: str) -> None:
        """Report that an attempt could not be created, or its process could not be started."""
        self.tell("Warning", "Failed", f"Error: {message}", container)

    def sandbox_failed(self, reason: str, message: str) -> None:
        """Report that the pod's volumes or its network could not be prepared."""
        if reason == "FailedCreatePodSandBox":
            message = f"Failed to create pod sandbox: {message}"
        self.tell("Warning", reason, message)

    def stopping(self, container: str, reason: str) -> None:
        """Report that a container is being stopped; ``reason`` is the planner's."""
        note = f"Stopping container {container}"
        if reason.endswith("probe failed"):
            note = f"Container {container} failed {reason.removesuffix(' failed')}, "
            note += "will be restarted"
        elif reason == "image changed":
            note = f"Container {container} definition changed, will be restarted"
        self.tell("Normal", "Killing", note, container)

    def unhealthy(self, container: str, kind: ProbeKind, message: str) -> None:
        """Report that a probe failed."""
        note = f"{kind.value.capitalize()} probe failed: {message}"
        self.tell("Warning", "Unhealthy", note, container)

    def hook_failed(self, container: str, hook: Literal["PostStart", "PreStop"], why: str) -> None:
        """Report that a lifecycle hook failed."""
        self.tell("Warning", f"Failed{hook}Hook", f"{hook}Hook failed: {why}", container)

    def status(self, status: pod_pb2.PodStatus) -> None:
        """Report which containers have begun to wait for their next try."""
        every = (*status.init_container_statuses, *status.container_statuses)
        backing_off = frozenset(
            (container.name, container.state.waiting.reason)
            for container in every
            if container.state.waiting.reason in _BACK_OFFS
        )
        for name, reason in sorted(backing_off - self._backing_off):
            note = f'Back-off pulling image "{self._images.get(name, "")}"'
            if reason == "CrashLoopBackOff":
                pod = self._pod
                note = f"Back-off restarting failed container {name} "
                note += f"in pod {pod.name}_{pod.namespace}({pod.uid})"
            self.tell("Warning", "BackOff", note, name)
        self._backing_off = backing_off

    def tell(
        self, type_: Literal["Normal", "Warning"], reason: str, note: str, container: str = ""
    ) -> None:
        """Report something about the pod, or about one of its containers."""
        if not self._pod.name:
            return  # A pod that the API does not know has no Events either.
        regarding = reference_pb2.ObjectReference()
        regarding.CopyFrom(self._pod)
        if container:
            regarding.field_path = f"spec.containers{{{container}}}"
        self._recorder.record(regarding, type_, reason, note)


class Pull:
    """A reporter of how one image came to this node: pulled, or already there."""

    def __init__(self, events: PodEvents, container: container_pb2.Container) -> None:
        self._events = events
        self._container = container
        self._began_s: float | None = None

    def began(self) -> None:
        """Report that the image is not here as it should be and is being fetched."""
        self._began_s = time.monotonic()
        note = f'Pulling image "{self._container.image}"'
        self._events.tell("Normal", "Pulling", note, self._container.name)

    def succeeded(self) -> None:
        """Report that the image is here."""
        note = f'Container image "{self._container.image}" already present on machine'
        if self._began_s is not None:
            took_s = time.monotonic() - self._began_s
            note = f'Successfully pulled image "{self._container.image}" in {took_s:.3g}s'
        self._events.tell("Normal", "Pulled", note, self._container.name)
