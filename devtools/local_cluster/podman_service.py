"""The Podman that a cluster's agent runs, asked directly, by Podman's own Python client.

For bringing images in, and for looking behind podraft's back: what the agent's narrow client
mistakes, this one does not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podman import PodmanClient

# What the agent asks for, too: Podman 4 and 5 accept it.
_API_VERSION = "4.0.0"
_TIMEOUT_S = 60.0


def connect(podman_socket: Path) -> PodmanClient:
    """Return a client of the service that listens at a socket; it is a context manager."""
    return PodmanClient(
        base_url=f"unix://{podman_socket}", version=_API_VERSION, timeout=_TIMEOUT_S
    )


def answers(podman_socket: Path) -> bool:
    """Return whether the service answers."""
    try:
        with connect(podman_socket) as client:
            return bool(client.ping())
    except OSError:
        return False


def listed(podman_socket: Path) -> list[dict[str, Any]]:
    """Return all containers, running or not, as Podman lists them.

    Raises:
        OSError: The service does not answer, or refuses.
    """
    with connect(podman_socket) as client:
        return [container.attrs for container in client.containers.list(all=True)]


def inspected(podman_socket: Path, container_id: str) -> dict[str, Any]:
    """Return what Podman's inspection of a container says.

    Raises:
        OSError: There is no such container, or the service does not answer.
    """
    with connect(podman_socket) as client:
        attributes: dict[str, Any] = client.containers.get(container_id).attrs
        return attributes
