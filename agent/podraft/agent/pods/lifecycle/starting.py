"""Starting one attempt of a container, and saying precisely why it could not be started.

Invariant: starting is idempotent: an attempt that exists already (an answer was lost, the agent
was restarted in between) is found by its name and continued, never duplicated.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from podraft.agent.podman.client import PodmanClient, PodmanError, PodmanUnavailableError
from podraft.agent.podman.core import spec
from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.records import ContainerRecord, ImageRecord
from podraft.agent.pods.core.environment import Surroundings, environment
from podraft.agent.pods.core.records import StartContainer
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.pods.sandbox.ground import Attachment, Ground
from podraft.agent.volumes.core import files
from podraft.api.core.v1 import container_pb2, pod_pb2, service_pb2
from podraft.client.watching.informer import Informer

_LOOK_UP_WITHIN_S = 10.0
_STARTS_AT_ONCE = 4
_NOT_STARTED = frozenset({"created", "configured", "initialized"})


class StartError(Exception):
    """An attempt could not be created; ``reason`` is the reason in the container's status."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RunError(Exception):
    """The container exists, but its process could not be started."""

    def __init__(self, record: ContainerRecord, message: str) -> None:
        super().__init__(message)
        self.record = record


@dataclass(frozen=True, slots=True)
class Starter:
    """A starter of containers; it bounds how many start at once on the node."""

    podman: PodmanClient
    ground: Ground
    services: Informer[service_pb2.Service]
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_STARTS_AT_ONCE))

    async def start(
        self,
        pod: pod_pb2.Pod,
        container: container_pb2.Container,
        action: StartContainer,
        attachment: Attachment,
        image: ImageRecord,
        events: PodEvents,
    ) -> ContainerRecord:
        """Create and start an attempt; return it as Podman shows it.

        Raises:
            StartError: The attempt could not be created.
            RunError: The attempt was created, but its process could not be started.
        """
        try:
            attempt = await self._compose(pod, container, action, attachment, image)
            request = spec.create_request(attempt)
        except ConfigurationError as error:
            raise StartError("CreateContainerConfigError", str(error)) from error
        except OSError as error:
            raise StartError("CreateContainerConfigError", f"volume: {error}") from error
        async with self.slots:
            try:
                existing = await self._create(request)
            except PodmanError as error:
                raise StartError("CreateContainerError", error.message) from error
            if isinstance(existing, ContainerRecord) and existing.state not in _NOT_STARTED:
                return existing
            if isinstance(existing, str):
                events.created(container.name)
            container_id = existing if isinstance(existing, str) else existing.id
            record = await self._start(container_id)
        events.started(container.name)
        return record

    async def _create(self, request: dict[str, object]) -> str | ContainerRecord:
        """Create a container and return its id, or the existing container with that name."""
        try:
            return await self.podman.create_container(request)
        except PodmanUnavailableError:
            raise
        except PodmanError as error:
            if "already in use" not in error.message:
                raise
            existing = await self.podman.inspect_container(str(request["name"]))
            if existing is None:
                raise
            return existing

    async def _start(self, container_id: str) -> ContainerRecord:
        try:
            await self.podman.start_container(container_id)
        except PodmanUnavailableError as error:
            raise StartError("CreateContainerError", error.message) from error
        except PodmanError as error:
            record = await self._inspect(container_id)
            if record.state in _NOT_STARTED:
                raise RunError(record, error.message) from error
            return record
        return await self._inspect(container_id)

    async def _inspect(self, container_id: str) -> ContainerRecord:
        try:
            record = await self.podman.inspect_container(container_id)
        except PodmanError as error:
            raise StartError("CreateContainerError", error.message) from error
        if record is None:
            raise StartError("CreateContainerError", "the container was removed while it started")
        return record

    async def _compose(
        self,
        pod: pod_pb2.Pod,
        container: container_pb2.Container,
        action: StartContainer,
        attachment: Attachment,
        image: ImageRecord,
    ) -> spec.Attempt:
        ground, uid = self.ground, pod.metadata.uid
        return spec.Attempt(
            pod=pod,
            container=container,
            number=action.attempt,
            backoff_s=action.backoff_s,
            node_name=ground.node_name,
            image_id=image.id,
            image_user=image.user,
            namespaces=spec.Namespaces(
                attachment.net_path, attachment.ipc_path, attachment.uts_path
            ),
            cgroup_parent=ground.facts.cgroup_parent(uid),
            environment=environment(container, await self._surroundings(pod, attachment)),
            mounts=await asyncio.to_thread(self._mounts, pod, container, attachment.address),
            log_path=str(ground.volumes.log_path(uid, container.name, action.attempt)),
            hostname=files.hostname(pod, ground.node_name),
            oom_score_least=ground.facts.oom_score_least,
        )

    async def _surroundings(self, pod: pod_pb2.Pod, attachment: Attachment) -> Surroundings:
        configuration = await self.ground.configuration.configuration(pod)
        try:
            async with asyncio.timeout(_LOOK_UP_WITHIN_S):
                await self.services.synced()
        except TimeoutError:
            raise ConfigurationError("services cannot be read from the API now") from None
        return Surroundings(
            pod=pod,
            address=attachment.address,
            node_ip=self.ground.node_address,
            config_maps=configuration.config_maps,
            secrets=configuration.secrets,
            services=self.services.by_index("namespace", pod.metadata.namespace),
        )

    def _mounts(
        self, pod: pod_pb2.Pod, container: container_pb2.Container, address: str
    ) -> list[spec.Mount]:
        """Make and return all mounts of a container; this call blocks."""
        volumes = self.ground.volumes
        volumes.make_log_directory(pod.metadata.uid, container.name)
        own = volumes.container_mounts(pod, container)
        taken = {mount.destination for mount in own}
        common = volumes.write_files(pod, container, address)
        return own + [mount for mount in common if mount.destination not in taken]
