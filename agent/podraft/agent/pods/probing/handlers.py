"""Asking a container something: exec, HTTP and TCP, for probes and hooks alike.

Invariant: an answer comes within the timeout, and every failure is an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from podraft.agent.commands.commands import Commands
from podraft.agent.commands.results import CommandTimeoutError
from podraft.agent.podman.client import PodmanError
from podraft.api.core.v1 import container_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import ports, probes

_CONNECTIONS_MAX = 64
_BODY_BYTES_MAX = 10 << 10
_MESSAGE_CHARACTERS_MAX = 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECTS_MAX = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """The success of a request or, if it failed, why."""

    success: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """The container to ask, its first process, and the pod's address as the node sees it."""

    container_id: str
    container: container_pb2.Container
    address: str
    pid: int = 0


Handler = container_pb2.ProbeHandler | container_pb2.LifecycleHandler


class Handlers:
    """An executor of handlers; create it inside a running event loop and close it."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._session = aiohttp.ClientSession(
            # Each probe uses a new connection: a kept one says nothing about new ones.
            connector=aiohttp.TCPConnector(ssl=False, force_close=True, limit=_CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def ask(self, handler: Handler, target: Target, timeout_s: float) -> Answer:
        """Carry out one handler."""
        answer = await self._ask(handler, target, timeout_s)
        # The error may repeat a container's answer, which can be anything.
        return Answer(answer.success, answer.message[:_MESSAGE_CHARACTERS_MAX])

    async def _ask(self, handler: Handler, target: Target, timeout_s: float) -> Answer:
        try:
            if handler.HasField("exec"):
                is_hook = isinstance(handler, container_pb2.LifecycleHandler)
                run = self._commands.hook if is_hook else self._commands.probe
                command = handler.exec.command
                result = await run(target.container_id, target.pid, command, timeout_s)
                return Answer(result.exit_code == 0, result.output.strip())
            if handler.HasField("http_get"):
                return await self._http(handler.http_get, target, timeout_s)
            if handler.HasField("tcp_socket"):
                return await self._tcp(handler.tcp_socket, target, timeout_s)
            if isinstance(handler, container_pb2.LifecycleHandler) and handler.HasField("sleep"):
                await asyncio.sleep(min(handler.sleep.seconds, timeout_s))
        except (CommandTimeoutError, PodmanError, UnknownPortError) as error:
            return Answer(False, str(error))
        except Exception as error:  # noqa: BLE001 - see the module's invariant
            # The text in a pod's spec may be invalid as an argument, address or header.
            return Answer(False, f"{type(error).__name__}: {error}")
        return Answer(True)

    async def _http(
        self, action: container_pb2.HTTPGetAction, target: Target, timeout_s: float
    ) -> Answer:
        port = port_number(action.port, target.container)
        host = action.host or target.address
        path = action.path if action.path.startswith("/") else f"/{action.path}"
        address = f"[{host}]" if ":" in host else host
        url = URL(f"{probes.scheme(action).lower()}://{address}:{port}{path}")
        headers = _headers(action)
        try:
            async with asyncio.timeout(timeout_s):
                for _ in range(1 + _REDIRECTS_MAX):
                    answer = await self._get(url, headers)
                    if not isinstance(answer, URL):
                        return answer
                    if answer.host != url.host:
                        # The server answers; the place it redirects to is not asked.
                        return Answer(True)
                    url = answer
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(False, f"HTTP probe failed: {str(error) or 'no answer in time'}")
        return Answer(False, f"HTTP probe failed: stopped after {_REDIRECTS_MAX} redirects")

    async def _get(self, url: URL, headers: CIMultiDict[str]) -> Answer | URL:
        """Return the answer, or the URL that it redirects to."""
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            await response.content.read(_BODY_BYTES_MAX)
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location:
                return url.join(URL(location))
            well = 200 <= response.status < 400
            return Answer(well, f"HTTP probe failed with statuscode: {response.status}")

    @staticmethod
    async def _tcp(
        action: container_pb2.TCPSocketAction, target: Target, timeout_s: float
    ) -> Answer:
        port = port_number(action.port, target.container)
        try:
            connecting = asyncio.open_connection(action.host or target.address, port)
            async with asyncio.timeout(timeout_s):
                _reader, writer = await connecting
        except (OSError, TimeoutError) as error:
            return Answer(False, f"TCP probe failed: {str(error) or 'no answer in time'}")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return Answer(True)


def _headers(action: container_pb2.HTTPGetAction) -> CIMultiDict[str]:
    """Return a request's headers: names are case-insensitive and may occur more than once."""
    headers: CIMultiDict[str] = CIMultiDict()
    for header in action.http_headers:
        headers.add(header.name.title(), header.value)
    headers.setdefault("User-Agent", "podraft-probe")
    return headers


async def until_event(asking: Coroutine[Any, Any, Answer], event: asyncio.Event) -> Answer | None:
    """Return the answer, or None if the event comes first."""
    answer = asyncio.create_task(asking)
    stop = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({answer, stop}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        stop.cancel()
        answer.cancel()  # Has no effect if the task is done.


class UnknownPortError(Exception):
    """A handler names a port that its container does not have."""


def port_number(port: meta_pb2.IntOrString, container: container_pb2.Container) -> int:
    """Return the port's number; it is given as a number or as the name of a container's port.

    Raises:
        UnknownPortError: The container has no port of that name.
    """
    if not ports.is_named(port):
        return port.int_val
    number = ports.number_of(container.ports, port.str_val)
    if number is not None:
        return number
    if port.str_val.isdigit():
        return int(port.str_val)
    raise UnknownPortError(f'container "{container.name}" has no port named "{port.str_val}"')
