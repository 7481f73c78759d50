"""A narrow client of Podman's REST API over its unix socket.

Owns: HTTP to Podman, bounded in connections, time and size of the answers; `core.records`
interprets the answers. ADR 3 says why this is not podman-py.

Invariant: a call either returns what it promises or raises a `PodmanError`; an error inside a
200 answer (image pulls) is raised as well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp

from podraft.agent.podman.core.records import (
    ContainerRecord,
    ImageRecord,
    container_record,
    image_record,
)

_CONNECTIONS_MAX = 16
_CALL_TIMEOUT_S = 120.0
_PULL_TIMEOUT_S = 1800.0
_LINE_BYTES_MAX = 1 << 20
# An inspection repeats the settings of the pod and its image; a list grows with the node's
# containers.
_ANSWER_BYTES_MAX = 64 << 20
_MESSAGE_CHARACTERS_MAX = 1024
_BASE = "http://podman/v4.0.0/libpod"


class PodmanError(Exception):
    """Podman refused a call; ``status`` is the HTTP status, the text Podman's own words."""

    def __init__(self, status: int, message: str, cause: str = "") -> None:
        # The message may repeat a whole command line.
        self.message = message[:_MESSAGE_CHARACTERS_MAX]
        super().__init__(self.message)
        self.status = status
        self.cause = cause


class PodmanUnavailableError(PodmanError):
    """Podman's service does not answer now; the call may be repeated."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)


class PodmanClient:
    """A client of Podman; create it inside a running event loop and close it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket), limit=_CONNECTIONS_MAX),
            timeout=aiohttp.ClientTimeout(total=_CALL_TIMEOUT_S),
        )

    async def __aenter__(self) -> PodmanClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def ping(self) -> bool:
        """Return whether the service answers."""
        try:
            await self._call("GET", "/_ping", timeout_s=5.0)
        except PodmanError:
            return False
        return True

    async def version(self) -> str:
        """Return Podman's version."""
        answer = await self._call("GET", "/version")
        return str(answer["Version"])

    async def create_container(self, spec: Mapping[str, Any]) -> str:
        """Create a container from a libpod spec and return its id."""
        return str((await self._call("POST", "/containers/create", body=spec))["Id"])

    async def start_container(self, container_id: str) -> None:
        """Start a created container; starting a running one changes nothing."""
        await self._call("POST", f"/containers/{container_id}/start")

    async def kill_container(self, container_id: str, signal: str) -> None:
        """Send a signal to a container's first process."""
        await self._call("POST", f"/containers/{container_id}/kill", {"signal": signal})

    async def remove_container(self, container_id: str) -> None:
        """Remove a container, killing it if it runs; an absent container is not an error."""
        try:
            # "volumes": the anonymous volumes that the image declares are removed with it.
            query = {"force": "true", "timeout": "0", "volumes": "true"}
            await self._call("DELETE", f"/containers/{container_id}", query)
        except PodmanError as error:
            if error.status != 404:
                raise

    async def inspect_container(self, container: str) -> ContainerRecord | None:
        """Return a container by id or name, or None if it does not exist."""
        try:
            return container_record(await self._call("GET", f"/containers/{container}/json"))
        except PodmanError as error:
            if error.status == 404:
                return None
            raise

    async def list_containers(self, labels: Mapping[str, str]) -> list[str]:
        """Return the ids of all containers, running or not, that carry the labels."""
        filters = json.dumps({"label": [f"{key}={value}" for key, value in labels.items()]})
        answer = await self._call("GET", "/containers/json", {"all": "true", "filters": filters})
        return [str(item["Id"]) for item in answer or ()]

    async def inspect_image(self, image: str) -> ImageRecord | None:
        """Return a local image by id or reference, or None if it is not here."""
        try:
            # A reference is a user's text: it must not choose another path or a query.
            answer = await self._call("GET", f"/images/{quote(image, safe='')}/json")
        except PodmanError as error:
            if error.status == 404:
                return None
            raise
        return image_record(answer)

    async def pull_image(self, reference: str) -> None:
        """Pull an image; Podman reports most errors inside a 200 answer."""
        query = {"reference": reference, "quiet": "true"}
        answer = await self._call("POST", "/images/pull", query, timeout_s=_PULL_TIMEOUT_S)
        for line in answer if isinstance(answer, list) else [answer]:
            if isinstance(line, dict) and line.get("error"):
                raise PodmanError(500, str(line["error"]))

    async def import_image(self, reference: str, archive: bytes, changes: Sequence[str]) -> None:
        """Make an image of one layer from a tar archive."""
        query = [("reference", reference), *(("changes", change) for change in changes)]
        await self._call("POST", "/images/import", query, data=archive)

    async def create_exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool,
        tty: bool,
        environment: Sequence[str] = (),
    ) -> str:
        """Prepare a command in a running container; return the session's id.

        ``environment`` is added to the container's, as ``NAME=value``.
        """
        body = {
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": tty,
            "Cmd": list(command),
            "Env": list(environment),
        }
        answer = await self._call("POST", f"/containers/{container_id}/exec", body=body)
        return str(answer["Id"])

    async def exec_exit_code(self, session_id: str) -> int | None:
        """Return the exit code of a session's command, or None while it runs."""
        answer = await self._call("GET", f"/exec/{session_id}/json")
        return None if answer["Running"] else int(answer["ExitCode"])

    async def hijack(
        self, path: str, body: Mapping[str, Any]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a POST request, then take over the connection as a raw, bidirectional stream."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket), limit=1 << 18)
        except OSError as error:
            raise PodmanUnavailableError(f"cannot reach podman: {error}") from error
        payload = json.dumps(body).encode()
        head = (
            f"POST /v4.0.0/libpod{path} HTTP/1.1\r\nHost: podman\r\nConnection: Upgrade\r\n"
            "Upgrade: tcp\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n"
        )
        writer.write(head.encode() + payload)
        try:
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                answer = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, TimeoutError, OSError) as error:
            writer.close()
            raise PodmanUnavailableError("podman closed the connection") from error
        status = int(answer.split(b" ", 2)[1])
        if status not in (101, 200):
            text = await reader.read(_LINE_BYTES_MAX)
            writer.close()
            raise _error(status, text)
        return reader, writer

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        data: bytes | None = None,
        timeout_s: float = _CALL_TIMEOUT_S,
    ) -> Any:
        headers = {"Content-Type": "application/x-tar"} if data is not None else None
        try:
            async with self._session.request(
                method,
                f"{_BASE}{path}",
                params=query,
                json=body,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                content = await _read_bounded(response)
                if response.status >= 400:
                    raise _error(response.status, content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise PodmanUnavailableError(f"podman does not answer: {error!r}") from error
        return _decode(content)


async def exec_frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the frames of a session without a terminal: 1 is stdout, 2 stderr."""
    while True:
        try:
            header = await reader.readexactly(8)
        except asyncio.IncompleteReadError:
            return
        remaining = int.from_bytes(header[4:], "big")
        while remaining:
            chunk = await reader.read(min(remaining, 1 << 16))
            if not chunk:
                return
            remaining -= len(chunk)
            yield header[0], chunk


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _ANSWER_BYTES_MAX:
            raise PodmanError(500, f"podman's answer exceeds {_ANSWER_BYTES_MAX} bytes")
    return bytes(content)


def _decode(content: bytes) -> Any:
    """Decode one JSON value or, as in answers to pulls, one value per line."""
    if not content or content[:1] not in b'[{"':
        return content.decode(errors="replace")
    try:
        return json.loads(content)
    except ValueError:
        return [json.loads(line) for line in content.splitlines() if line.strip()]


def _error(status: int, content: bytes) -> PodmanError:
    try:
        answer = json.loads(content)
        return PodmanError(status, str(answer["message"]), str(answer.get("cause", "")))
    except (ValueError, KeyError, TypeError):
        return PodmanError(status, content.decode(errors="replace").strip() or f"HTTP {status}")
