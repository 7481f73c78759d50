"""The Podman that a cluster's agent runs, asked directly.

For bringing images in, and for looking behind podraft's back.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

_BASE = "/v4.0.0/libpod"


class PodmanError(Exception):
    """Podman refused a request."""


def request(
    podman_socket: Path,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    timeout_s: float = 60.0,
) -> bytes:
    """Send one request, return the response's body.

    Raises:
        PodmanError: The answer is an error.
    """
    connection = _UnixConnection(podman_socket, timeout_s)
    try:
        kind = "application/json" if body is None or body[:1] in b"{[" else "application/x-tar"
        connection.request(method, f"{_BASE}{path}", body, {"Content-Type": kind})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status >= 300:
        raise PodmanError(f"{method} {path}: {content.decode(errors='replace').strip()}")
    return content


def containers(podman_socket: Path) -> list[dict[str, Any]]:
    """Return all containers, running or not, as Podman lists them."""
    result: list[dict[str, Any]] = json.loads(
        request(podman_socket, "GET", "/containers/json?all=true") or b"[]"
    )
    return result


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("podman", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket's path instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
