"""What happens to a pod on this node, told to users in the words that they know from Kubernetes.

Invariant: telling never waits and never fails; the recorder joins repetitions, writes in
the background and drops what exceeds its bounds.
"""

from __future__ import annotations

import time
from typing import Literal, Protocol

from google.protobuf.message import Message

from podraft.agent.pods.core.records import ProbeKind
from podraft.api.core.v1 import container_pb2, pod_pb2, reference_pb2

_BACK_OFFS = frozenset({"CrashLoopBackOff", "ImagePullBackOff"})


class Recorder(Protocol):
    """What is needed of the event recorder."""

    def record(
        self, regarding: Message, type_: Literal["Normal", "Warning"], reason: str, note: str
    ) -> None:
        """Note that something happened to an object; returns at once."""


class PodEvents:
    """The Events of one pod; nothing is told before `about` has named it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._pod = reference_pb2.ObjectReference()
        self._images: dict[str, str] = {}
        self._backing_off: frozenset[tuple[str, str]] = frozenset()

    def about(self, pod: pod_pb2.Pod) -> None:
        """Name the pod that all that follows is about."""
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
        """Return what tells of one image's way to this node."""
        return Pull(self, container)

    def image_failed(self, container: container_pb2.Container, reason: str, message: str) -> None:
        """An image cannot be had."""
        if reason == "ErrImagePull":
            message = f'Failed to pull image "{container.image}": {message}'
            reason = "Failed"
        self.tell("Warning", reason, message, container.name)

    def created(self, container: str) -> None:
        """An attempt was made."""
        self.tell("Normal", "Created", f"Created container {container}", container)

    def started(self, container: str) -> None:
        """An attempt's process runs."""
        self.tell("Normal", "Started", f"Started container {container}", container)

    def start_failed(self, container: str, message: str) -> None:
        """An attempt could not be made, or its process could not be started."""
        self.tell("Warning", "Failed", f"Error: {message}", container)

    def sandbox_failed(self, reason: str, message: str) -> None:
        """The pod's volumes or its network could not be prepared."""
        if reason == "FailedCreatePodSandBox":
            message = f"Failed to create pod sandbox: {message}"
        self.tell("Warning", reason, message)

    def stopping(self, container: str, reason: str) -> None:
        """A container is being stopped; ``reason`` is the planner's."""
        note = f"Stopping container {container}"
        if reason.endswith("probe failed"):
            note = f"Container {container} failed {reason.removesuffix(' failed')}, "
            note += "will be restarted"
        elif reason == "image changed":
            note = f"Container {container} definition changed, will be restarted"
        self.tell("Normal", "Killing", note, container)

    def unhealthy(self, container: str, kind: ProbeKind, message: str) -> None:
        """A probe failed."""
        note = f"{kind.value.capitalize()} probe failed: {message}"
        self.tell("Warning", "Unhealthy", note, container)

    def hook_failed(self, container: str, hook: Literal["PostStart", "PreStop"], why: str) -> None:
        """A lifecycle hook failed."""
        self.tell("Warning", f"Failed{hook}Hook", f"{hook}Hook failed: {why}", container)

    def status(self, status: pod_pb2.PodStatus) -> None:
        """Tell which containers have begun to wait for their next try."""
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
        """Tell something about the pod, or about one of its containers."""
        if not self._pod.name:
            return  # What is left of a pod that the API does not know; it has no Events either.
        regarding = reference_pb2.ObjectReference()
        regarding.CopyFrom(self._pod)
        if container:
            regarding.field_path = f"spec.containers{{{container}}}"
        self._recorder.record(regarding, type_, reason, note)


class Pull:
    """One image's way to this node: pulled, or there already."""

    def __init__(self, events: PodEvents, container: container_pb2.Container) -> None:
        self._events = events
        self._container = container
        self._began_s: float | None = None

    def began(self) -> None:
        """The image is not here as it should be, and is being fetched."""
        self._began_s = time.monotonic()
        note = f'Pulling image "{self._container.image}"'
        self._events.tell("Normal", "Pulling", note, self._container.name)

    def succeeded(self) -> None:
        """The image is here."""
        note = f'Container image "{self._container.image}" already present on machine'
        if self._began_s is not None:
            took_s = time.monotonic() - self._began_s
            note = f'Successfully pulled image "{self._container.image}" in {took_s:.3g}s'
        self._events.tell("Normal", "Pulled", note, self._container.name)
