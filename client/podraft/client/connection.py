"""One connection to the API and the rules of calling through it.

Owns: the channel (mutual TLS, keepalive, fail-over between servers), deadlines and the
retries of reads.  Invariants: a write is sent at most once; every failure of a call is an
`errors.ApiError`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from podraft.client.config import ClusterConfig
from podraft.client.errors import UnavailableError, from_rpc_error

ResponseT = TypeVar("ResponseT")

_READ_ATTEMPTS_MAX = 4
_READ_PAUSE_S = 0.1
_MESSAGE_BYTES_MAX = 256 << 20
_CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    # A cluster's addresses are reached directly, whatever the environment says of proxies.
    ("grpc.enable_http_proxy", 0),
)


class Connection:
    """One gRPC channel and the rules of calling through it."""

    def __init__(self, config: ClusterConfig, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {}
        credentials = grpc.ssl_channel_credentials(
            config.certificate_authority, config.client_key, config.client_certificate
        )
        name = ("grpc.ssl_target_name_override", config.server_name)
        self.channel = grpc.aio.secure_channel(
            _target(config.servers), credentials, options=(*_CHANNEL_OPTIONS, name)
        )

    async def call(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> ResponseT:
        """Call once.

        Raises:
            ApiError: Whatever the server or the transport refused.

        """
        method = self._methods.get(path)
        if method is None:
            # The bytes are decoded by the caller of the stub: one path always has one type.
            method = self.channel.unary_unary(path, _encode, decode)
            self._methods[path] = method
        try:
            return cast(ResponseT, await method(request, timeout=self._timeout_s))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def read(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> ResponseT:
        """Call a method without side effects, again if no server could be reached."""
        for attempt in range(1, _READ_ATTEMPTS_MAX):
            try:
                return await self.call(path, request, decode)
            except UnavailableError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(_READ_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0))
        return await self.call(path, request, decode)

    def stream(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> AsyncIterator[ResponseT]:
        """Yield the answers to one request; closing the iterator cancels it."""
        return _responses(lambda: self.channel.unary_stream(path, _encode, decode)(request))

    def converse(
        self,
        path: str,
        sent: AsyncIterator[Message],
        decode: Callable[[bytes], ResponseT],
    ) -> AsyncIterator[ResponseT]:
        """Yield the answers while sending messages; closing the iterator cancels the call."""
        return _responses(lambda: self.channel.stream_stream(path, _encode, decode)(sent))


async def _responses(start: Callable[[], Any]) -> AsyncIterator[Any]:
    call = start()  # Here, so that what nobody iterates over is never called.
    try:
        async for response in call:
            yield response
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None
    finally:
        call.cancel()


def _encode(message: Message) -> bytes:
    return message.SerializeToString()


def _target(servers: Sequence[str]) -> str:
    """Return gRPC's name for the servers; it uses the first that answers.

    Raises:
        UnavailableError: One of several host names cannot be resolved.

    """
    if not servers:
        raise UnavailableError(grpc.StatusCode.UNAVAILABLE, "the configuration names no server")
    versions = {_ip_version(server) for server in servers}
    if versions == {4}:
        return "ipv4:" + ",".join(servers)
    if versions == {6}:
        return "ipv6:" + ",".join(servers)
    if len(servers) == 1:
        return f"dns:///{servers[0]}"
    return "ipv4:" + ",".join(address for server in servers for address in _resolved(server))


def _ip_version(server: str) -> int:
    try:
        return ipaddress.ip_address(server.rpartition(":")[0].strip("[]")).version
    except ValueError:
        return 0


def _resolved(server: str) -> list[str]:
    host, _, port = server.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise UnavailableError(grpc.StatusCode.UNAVAILABLE, f"{server}: {error}") from None
    return [f"{address[0]}:{port}" for *_, address in found]
