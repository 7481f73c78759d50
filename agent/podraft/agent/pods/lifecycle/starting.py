"""Starting one attempt of a container, and saying precisely why it could not be.

Invariant: idempotent: an attempt that exists already (an answer was lost, the agent was
restarted in between) is found by its name and carried on with, never doubled.
"""

from __future__ import annotations

import asyncio

from podraft.agent.podman.client import PodmanError, PodmanUnavailableError
from podraft.agent.podman.core import spec
from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.podman.core.records import ContainerRecord, ImageRecord
from podraft.agent.pods.core.environment import Surroundings, environment
from podraft.agent.pods.core.records import StartContainer
from podraft.agent.pods.node import Attachment, Node
from podraft.agent.pods.reports.events import PodEvents
from podraft.agent.volumes.core import files
from podraft.api.core.v1 import container_pb2, pod_pb2


class StartError(Exception):
    """An attempt could not be made; ``reason`` is what the container's status says."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class RunError(Exception):
    """The container exists, but its process could not be started."""

    def __init__(self, record: ContainerRecord, message: str) -> None:
        super().__init__(message)
        self.record = record


async def start(
    node: Node,
    pod: pod_pb2.Pod,
    container: container_pb2.Container,
    action: StartContainer,
    attachment: Attachment,
    image: ImageRecord,
    events: PodEvents,
) -> ContainerRecord:
    """Create and start an attempt and return it as Podman shows it.

    Raises:
        StartError: It could not be created.
        RunError: It was created, but its process could not be started.
    """
    try:
        attempt = await _compose(node, pod, container, action, attachment, image)
        request = spec.create_request(attempt)
    except ConfigurationError as error:
        raise StartError("CreateContainerConfigError", str(error)) from error
    except OSError as error:
        raise StartError("CreateContainerConfigError", f"volume: {error}") from error
    async with node.starts:
        try:
            existing = await _create(node, request)
        except PodmanError as error:
            raise StartError("CreateContainerError", error.message) from error
        if isinstance(existing, ContainerRecord) and existing.state not in _NOT_STARTED:
            return existing
        if isinstance(existing, str):
            events.created(container.name)
        container_id = existing if isinstance(existing, str) else existing.id
        record = await _start(node, container_id)
    events.started(container.name)
    return record


_LOOK_UP_WITHIN_S = 10.0
_NOT_STARTED = frozenset({"created", "configured", "initialized"})


async def _create(node: Node, request: dict[str, object]) -> str | ContainerRecord:
    """Create a container and return its id, or the one that has its name already."""
    try:
        return await node.podman.create_container(request)
    except PodmanUnavailableError:
        raise
    except PodmanError as error:
        if "already in use" not in error.message:
            raise
        existing = await node.podman.inspect_container(str(request["name"]))
        if existing is None:
            raise
        return existing


async def _start(node: Node, container_id: str) -> ContainerRecord:
    try:
        await node.podman.start_container(container_id)
    except PodmanUnavailableError as error:
        raise StartError("CreateContainerError", error.message) from error
    except PodmanError as error:
        record = await _inspect(node, container_id)
        if record.state in _NOT_STARTED:
            raise RunError(record, error.message) from error
        return record
    return await _inspect(node, container_id)


async def _inspect(node: Node, container_id: str) -> ContainerRecord:
    try:
        record = await node.podman.inspect_container(container_id)
    except PodmanError as error:
        raise StartError("CreateContainerError", error.message) from error
    if record is None:
        raise StartError("CreateContainerError", "the container was removed while it started")
    return record


async def _compose(
    node: Node,
    pod: pod_pb2.Pod,
    container: container_pb2.Container,
    action: StartContainer,
    attachment: Attachment,
    image: ImageRecord,
) -> spec.Attempt:
    uid = pod.metadata.uid
    configuration = await node.configuration.configuration(pod)
    try:
        async with asyncio.timeout(_LOOK_UP_WITHIN_S):
            await node.services.synced()
    except TimeoutError:
        raise ConfigurationError("services cannot be read from the API now") from None
    around = Surroundings(
        pod=pod,
        address=attachment.address,
        node_ip=node.address,
        config_maps=configuration.config_maps,
        secrets=configuration.secrets,
        services=node.services.by_index("namespace", pod.metadata.namespace),
    )
    variables = environment(container, around)

    def mounts() -> list[spec.Mount]:
        node.volumes.make_log_directory(uid, container.name)
        own = node.volumes.container_mounts(pod, container)
        taken = {mount.destination for mount in own}
        common = node.volumes.write_files(pod, container, attachment.address)
        return own + [mount for mount in common if mount.destination not in taken]

    return spec.Attempt(
        pod=pod,
        container=container,
        number=action.attempt,
        backoff_s=action.backoff_s,
        node_name=node.name,
        image_id=image.id,
        image_user=image.user,
        namespaces=spec.Namespaces(attachment.net_path, attachment.ipc_path, attachment.uts_path),
        cgroup_parent=node.facts.cgroup_parent(uid),
        environment=variables,
        mounts=await asyncio.to_thread(mounts),
        log_path=str(node.volumes.log_path(uid, container.name, action.attempt)),
        hostname=files.hostname(pod, node.name),
        oom_score_least=node.facts.oom_score_least,
    )
