"""Small questions about one pod: its title, its containers by name."""

from __future__ import annotations

from podraft.agent.podman.core.errors import ConfigurationError
from podraft.api.core.v1 import container_pb2, pod_pb2


def title(pod: pod_pb2.Pod) -> str:
    """Return the pod's name in the agent's log."""
    return f"{pod.metadata.namespace}/{pod.metadata.name}"


def find_container(pod: pod_pb2.Pod, name: str) -> container_pb2.Container | None:
    """Return the container with the given name, init containers included, or None."""
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        if container.name == name:
            return container
    return None


def container_of(pod: pod_pb2.Pod, name: str) -> container_pb2.Container:
    """Return the container with the given name.

    Raises:
        ConfigurationError: The pod has no such container.
    """
    container = find_container(pod, name)
    if container is None:
        raise ConfigurationError(f"the pod has no container {name}")
    return container
