"""The channels to the servers, one to each.

Owns: gRPC's channels and their options, one per server, made when the server is first asked.

Invariants: a server that freezes or is cut off breaks its calls within `KEEPALIVE_TIME_S` and
`KEEPALIVE_TIMEOUT_S`; no channel is closed before `close`, so no call is ever ended from here.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from podraft.client.connecting.config import ClusterConfig

KEEPALIVE_TIME_S = 1.0
KEEPALIVE_TIMEOUT_S = 1.5
_CONNECT_S = 2.0
_MESSAGE_BYTES_MAX = 256 << 20
_State = grpc.ChannelConnectivity
_OPTIONS = (
    ("grpc.keepalive_time_ms", int(KEEPALIVE_TIME_S * 1000)),
    ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
    # Applies to every ping: gRPC's own, which size the window, hold back the keepalive pings.
    ("grpc.http2.ping_timeout_ms", int(KEEPALIVE_TIMEOUT_S * 1000)),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also how long connecting may take: a frozen server accepts the connection and says nothing.
    ("grpc.min_reconnect_backoff_ms", int(_CONNECT_S * 1000)),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    # Our own code decides what is retried and where, because it knows which calls may be.
    ("grpc.enable_retries", 0),
    # A cluster's addresses are reached directly, whatever proxies the environment names.
    ("grpc.enable_http_proxy", 0),
)


class Link:
    """One channel, and the methods called through it."""

    def __init__(self, server: str, config: ClusterConfig) -> None:
        self.server = server
        credentials = grpc.ssl_channel_credentials(
            config.certificate_authority, config.client_key, config.client_certificate
        )
        name = ("grpc.ssl_target_name_override", config.server_name)
        self.channel = grpc.aio.secure_channel(
            _target(server), credentials, options=(*_OPTIONS, name)
        )
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {}

    async def connects(self) -> bool:
        """Return whether the server accepts a connection; at once if there is one already."""
        channel = self.channel
        try:
            async with asyncio.timeout(_CONNECT_S):
                state = channel.get_state(try_to_connect=True)
                while state in (_State.IDLE, _State.CONNECTING):
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            return False
        return state is _State.READY

    def unary(
        self, path: str, decode: Callable[[bytes], Any]
    ) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
        """Return the method at ``path``; one path always has one type."""
        method = self._methods.get(path)
        if method is None:
            method = self.channel.unary_unary(path, encode, decode)
            self._methods[path] = method
        return method


class Links:
    """The channels of one connection."""

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._links: dict[str, Link] = {}

    def to(self, server: str) -> Link:
        """Return the channel to ``server``."""
        link = self._links.get(server)
        if link is None:
            link = self._links[server] = Link(server, self._config)
        return link

    async def close(self) -> None:
        """Cancel running calls and close all channels."""
        for link in self._links.values():
            await link.channel.close()
        self._links.clear()


def encode(message: Message) -> bytes:
    """Return a request's bytes."""
    return message.SerializeToString()


def _target(server: str) -> str:
    """Return gRPC's target name for a server's address."""
    host = server.rpartition(":")[0].strip("[]")
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return f"dns:///{server}"
    return f"ipv{version}:{server}"
