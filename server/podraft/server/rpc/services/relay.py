"""Logs, exec and ports: relayed between a caller and the agent of the pod's node.

Owns: the connections to agents and the streams through them.  Invariants: an agent's
answers are passed on message by message, so a slow caller slows the
container's output down instead of filling the server's memory; bytes are not
decoded on the way; a caller that leaves ends the agent's call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import grpc

from podraft.api import kinds
from podraft.api.core.v1.pod_streams_pb2 import (
    ExecPodRequest,
    ExecPodResponse,
    ForwardPodPortRequest,
    StreamPodLogsRequest,
)
from podraft.internal.node.v1 import node_agent_pb2
from podraft.server.auth.authorize import EXEC, LOG, PORT_FORWARD, Attributes
from podraft.server.auth.certificates import node_server_name
from podraft.server.auth.pki import Pki
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.encoded_extent import parsed
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.reads.agents import Agents, Target, check_logs
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.statuses import CODE_OF

_SERVICE: Final = node_agent_pb2.DESCRIPTOR.services_by_name["NodeAgentService"].full_name
_CONNECTIONS_MAX: Final = 256
_CONNECT_S_MAX: Final = 5.0
_MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
_START_S_MAX: Final = 30.0
_EXIT_CODE_BYTES_MAX: Final = 16
_PORT_MAX: Final = 65535


class Relay:
    """The relay to the agents, with a bounded number of open connections."""

    def __init__(
        self,
        agents: Agents,
        callers: Callers,
        pki: Pki,
    ) -> None:
        self._agents = agents
        self._callers = callers
        self._pki = pki
        # The key includes the generation of the certificate that was used: see ``use``.
        self._channels: dict[tuple[int, Target], grpc.aio.Channel] = {}
        self._certificates = 0

    async def close(self) -> None:
        """Close all connections."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    async def stream_logs(self, caller: Caller, call: Call, _: AsyncIterator[bytes]) -> None:
        """Serve ``StreamPodLogs``."""
        request = parsed(StreamPodLogsRequest, await call.receive())
        self._callers.check(caller)
        attributes = Attributes("get", kinds.POD, request.namespace, request.name, LOG)
        caller(attributes)
        check_logs(request)
        target = await self._agents.find(request.namespace, request.name, request.container)
        request.container = target.container
        channel = await self._channel(target)
        method: Any = channel.unary_stream(f"/{_SERVICE}/StreamLogs")
        with self._callers.live.held(caller, attributes, target.node):
            await _pass_on(method(request.SerializeToString()), call, target)

    async def exec(self, caller: Caller, call: Call, requests: AsyncIterator[bytes]) -> None:
        """Serve ``ExecPod``."""
        first: ExecPodRequest = await _first(call, ExecPodRequest)
        start = first.start
        attributes = Attributes("create", kinds.POD, start.namespace, start.name, EXEC)
        self._callers.check(caller)
        caller(attributes)
        if not start.command:
            raise invalid("start.command", "is required")
        target = await self._agents.find(start.namespace, start.name, start.container)
        start.container = target.container

        channel = await self._channel(target)
        method: Any = channel.stream_stream(f"/{_SERVICE}/Exec")
        with self._callers.live.held(caller, attributes, target.node):
            await _pass_on(method(_forwarded(first, requests)), call, target)

    async def forward(self, caller: Caller, call: Call, requests: AsyncIterator[bytes]) -> None:
        """Serve ``ForwardPodPort``."""
        first: ForwardPodPortRequest = await _first(call, ForwardPodPortRequest)
        start = first.start
        attributes = Attributes("create", kinds.POD, start.namespace, start.name, PORT_FORWARD)
        self._callers.check(caller)
        caller(attributes)
        if not 1 <= start.port <= _PORT_MAX:
            raise invalid("start.port", f"must be from 1 to {_PORT_MAX}, got {start.port}")
        target = await self._agents.find(start.namespace, start.name, None)
        channel = await self._channel(target)
        method: Any = channel.stream_stream(f"/{_SERVICE}/ForwardPort")
        with self._callers.live.held(caller, attributes, target.node):
            await _pass_on(method(_forwarded(first, requests)), call, target)

    def use(self, pki: Pki) -> None:
        """Make new connections with the certificate of ``pki``; the old ones fall out of use."""
        if pki.clients["apiserver"] != self._pki.clients["apiserver"]:
            self._certificates += 1
        self._pki = pki

    async def _channel(self, target: Target) -> grpc.aio.Channel:
        """Return a connection to the target's agent.

        Raises:
            RefusedError: The agent cannot be reached.
        """
        key = (self._certificates, replace(target, container=""))
        channel = self._channels.pop(key, None)
        if channel is None:
            channel = self._connect(target)
        self._channels[key] = channel  # The least recently used one comes first.
        if len(self._channels) > _CONNECTIONS_MAX:
            await self._channels.pop(next(iter(self._channels))).close()
        try:
            await asyncio.wait_for(channel.channel_ready(), _CONNECT_S_MAX)
        except TimeoutError:
            if self._channels.get(key) is channel:
                await self._channels.pop(key).close()
            raise RefusedError(
                Code.UNAVAILABLE,
                f'the agent of node "{target.node}" at {target.address} cannot be reached',
            ) from None
        return channel

    def _connect(self, target: Target) -> grpc.aio.Channel:
        pair, authority = self._pki.clients["apiserver"], self._pki.authority
        name, trusted = node_server_name(target.node, target.key), authority.node_trust
        if target.older:
            name, trusted = target.node, authority.certificate
        credentials = grpc.ssl_channel_credentials(
            root_certificates=trusted,
            private_key=pair.key,
            certificate_chain=pair.certificate,
        )
        options = (
            ("grpc.ssl_target_name_override", name),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
            ("grpc.enable_http_proxy", 0),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
        )
        return grpc.aio.secure_channel(target.address, credentials, options=options)


async def _forwarded(first: Any, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the first message, then the others as they came, none of which may begin anew."""
    yield first.SerializeToString()
    async for request in requests:
        if parsed(type(first), request).HasField("start"):
            raise invalid("start", "is allowed in the first message only")
        yield request


async def _first(call: Call, message: Any) -> Any:
    try:
        received = await asyncio.wait_for(call.receive(), _START_S_MAX)
        first = parsed(message, received)
    except TimeoutError:
        raise RefusedError(
            Code.DEADLINE_EXCEEDED, f"no first message came within {_START_S_MAX:.0f} s"
        ) from None
    if not first.HasField("start"):
        raise invalid("start", "is required as the first message")
    return first


def _is_exit_code(response: bytes) -> bool:
    """Return whether an agent's answer is the last of a command."""
    if len(response) > _EXIT_CODE_BYTES_MAX:
        return False
    return ExecPodResponse.FromString(response).HasField("exit_code")


async def _pass_on(answers: Any, call: Call, target: Target) -> None:
    """Send the agent's answers to the caller, as fast as the caller takes them."""
    response = b""
    try:
        async for response in answers:
            await call.send(response)
    except grpc.aio.AioRpcError as error:
        if _is_exit_code(response):
            return  # gRPC fails a call whose input was still on its way when the command ended.
        message = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            message = f'the agent of node "{target.node}" at {target.address} was lost: {message}'
        raise RefusedError(CODE_OF[error.code()], message) from None
    finally:
        answers.cancel()
