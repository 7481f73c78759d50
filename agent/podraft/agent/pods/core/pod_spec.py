"""Small questions about one pod: what it is called, which of its containers has a name."""

from __future__ import annotations

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.api.core.v1 import container_pb2, pod_pb2


def title(pod: pod_pb2.Pod) -> str:
    """Return what the agent's log calls a pod."""
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def find_container(pod: pod_pb2.Pod, name: str) -> container_pb2.Container | None:
    """Return the container of a name, an init container or another."""
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        if container.name == name:
            return container
    return None


def container_of(pod: pod_pb2.Pod, name: str) -> container_pb2.Container:
    """Return the container of a name.

    Raises:
        ConfigurationError: The pod has none.
    """
    container = find_container(pod, name)
    if container is None:
        raise ConfigurationError(f"the pod has no container {name}")
    return container
