"""Direct calls to the Podman that a cluster's agent runs, by Podman's own Python client.

They import images, and check podraft from outside: this client does not share the mistakes of the
agent's narrow one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podman import PodmanClient

# The version that the agent asks for, too: Podman 4 and 5 accept it.
_API_VERSION = "4.0.0"
_TIMEOUT_S = 60.0


def connect(podman_socket: Path) -> PodmanClient:
    """Return a client of the service at a socket; the client is a context manager."""
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
        OSError: The service does not answer, or refuses the call.
    """
    with connect(podman_socket) as client:
        return [container.attrs for container in client.containers.list(all=True)]


def inspected(podman_socket: Path, container_id: str) -> dict[str, Any]:
    """Return Podman's inspection of a container.

    Raises:
        OSError: There is no such container, or the service does not answer.
    """
    with connect(podman_socket) as client:
        attributes: dict[str, Any] = client.containers.get(container_id).attrs
        return attributes
