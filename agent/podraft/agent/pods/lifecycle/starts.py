"""Starts of one pod's containers: each attempt, its postStart hook, and what went wrong.

Invariant: a start that fails is counted by its reason until one succeeds.
"""

from __future__ import annotations

import logging

from podraft.agent.podman.client import PodmanClient, PodmanError
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.core.pod_spec import container_of, title
from podraft.agent.pods.core.records import Failure, ImageKey, StartContainer
from podraft.agent.pods.lifecycle.attempts import Attempts
from podraft.agent.pods.lifecycle.pod_images import PodImages
from podraft.agent.pods.lifecycle.starting import RunError, Starter, StartError
from podraft.agent.pods.probing.handlers import Handlers, Target, until_event
from podraft.agent.pods.reports import faults
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.sandbox.ending import Ending
from podraft.agent.pods.sandbox.sandbox import Sandbox
from podraft.api.core.v1 import container_pb2, pod_pb2

_LOG = logging.getLogger(__name__)

_POST_START_WITHIN_S = 600.0


class Starts:
    """The starts of attempts; `failures` says why the last tries of a container failed."""

    def __init__(
        self,
        starter: Starter,
        handlers: Handlers,
        sandbox: Sandbox,
        images: PodImages,
        attempts: Attempts,
        events: PodEvents,
        ending: Ending,
    ) -> None:
        self.failures: dict[str, Failure] = {}
        self._starter = starter
        self._handlers = handlers
        self._sandbox = sandbox
        self._images = images
        self._attempts = attempts
        self._events = events
        self._ending = ending

    async def start(self, pod: pod_pb2.Pod, action: StartContainer) -> None:
        """Begin an attempt; the attempt is known once its postStart hook has been run."""
        container = container_of(pod, action.container)
        key = ImageKey(action.container, action.attempt)
        image = self._images.prepared(key)
        assert self._sandbox.attachment is not None
        try:
            record = await self._starter.start(
                pod, container, action, self._sandbox.attachment, image, self._events
            )
        except StartError as error:
            self._failed(action.container, error.reason, str(error))
            self._events.start_failed(action.container, str(error))
            self._images.forget(key)
            return
        except RunError as error:
            self._attempts.did_not_run(error.record, str(error))
            self._events.start_failed(action.container, str(error))
            record = error.record
        self.failures.pop(action.container, None)
        self._images.used(action.container)
        if record.running and container.lifecycle.HasField("post_start"):
            await self._post_start(pod, container, record)
        self._attempts.observe(record)

    def failed(self, action: StartContainer, message: str) -> None:
        """Note a fault that no rule foresaw."""
        self._failed(action.container, "CreateContainerError", message)

    def configuration_changed(self) -> None:
        """Allow starts that lacked a ConfigMap or Secret to be retried at once."""
        for name, failure in tuple(self.failures.items()):
            if failure.reason == "CreateContainerConfigError":
                del self.failures[name]

    def _failed(self, container: str, reason: str, message: str) -> None:
        self.failures[container] = faults.failed(self.failures.get(container), reason, message)

    async def _post_start(
        self, pod: pod_pb2.Pod, container: container_pb2.Container, record: ContainerRecord
    ) -> None:
        target = Target(record.id, container, self._sandbox.address(pod), record.pid)
        hook = container.lifecycle.post_start
        answer = await until_event(
            self._handlers.ask(hook, target, _POST_START_WITHIN_S), self._ending.begun
        )
        if answer is None:
            return  # A hook that hangs does not hold up the deletion of its pod.
        if not answer.success:
            self._events.hook_failed(container.name, "PostStart", answer.message)
            await _kill(self._starter.podman, pod, record)


async def _kill(podman: PodmanClient, pod: pod_pb2.Pod, record: ContainerRecord) -> None:
    try:
        await podman.kill_container(record.id, "SIGKILL")
    except PodmanError as error:
        # The container has ended by itself, or will be found running and is not lost.
        _LOG.info("pod %s: %s", title(pod), error.message)
