"""The stream to one other member.

Owns: the connection, made again whenever it ends, and the queue of messages that wait for it.

Invariants: the other end has shown the certificate of the member of that name before anything is
sent.  The queue is bounded: a message that does not fit, or was on a broken connection, is lost,
but never delayed without end and never duplicated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias

import grpc

from podraft.internal.raft.v1 import members_pb2, members_pb2_grpc
from podraft.server.raft.entries import MemberId
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.transport.introductions import DISMISSED

_LOG = logging.getLogger(__name__)

FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
_HELLO_S: Final = 2.0
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", FRAME_BYTES_MAX),
    ("grpc.max_send_message_length", FRAME_BYTES_MAX),
    # A cut link gives no sign: ask.
    ("grpc.keepalive_time_ms", 1_000),
    ("grpc.keepalive_timeout_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Half of the least election timeout: the next election must not miss a returning member.
    # An attempt may take a second ("min"): handshakes on a busy machine do.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)

_Call: TypeAlias = Any  # A stream-stream call; generic in gRPC's types in one version only.


@dataclass(frozen=True, slots=True)
class MemberCredentials:
    """The credentials that a member shows, and those that it trusts.

    ``name_of`` returns the member's name in a verified certificate (PEM), None if it is not a
    member's; ``server_name`` returns the DNS name in the certificate of the member of a given name.
    """

    authority: bytes
    certificate: bytes
    key: bytes
    name_of: Callable[[bytes], str | None]
    server_name: Callable[[str], str]


class MemberLink:
    """The stream to one member: a bounded queue and the task that empties it."""

    def __init__(
        self,
        peer_id: MemberId,
        name: str,
        address: str,
        hello: members_pb2.MemberHello,
        credentials: MemberCredentials,
        options: MemberOptions,
    ) -> None:
        self._peer_id = peer_id
        self.name = name
        self.address = address
        self._hello = hello
        # The credentials for the next connection.
        self.credentials = credentials
        self._options = options
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._jitter = Random()
        self._told = False
        self.dismissed: Callable[[str], None] = _LOG.error
        # Called when a connection ends on which messages may have been lost.
        self.lost: Callable[[], object] = bool
        self.connected = False
        self.dropped = 0
        self.stub: Any = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def send(self, data: bytes) -> bool:
        """Send ``data`` soon, if possible; return False if it certainly will not arrive."""
        if not self.connected or self._queue_bytes + len(data) > self._options.send_bytes:
            self.dropped += 1
            return False
        self._queue.append(data)
        self._queue_bytes += len(data)
        self._wake_up()
        return True

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def cancel(self) -> None:
        """End the link."""
        was_connected, self.connected = self.connected, False
        self._task.cancel()
        if was_connected:
            self.lost()

    async def ended(self) -> None:
        """Wait until nothing of the link is left."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        """Connect, and reconnect whenever that ends; the pauses grow up to a bound."""
        while True:
            shown = self.credentials
            async with self._channel(shown) as channel:
                self.stub = members_pb2_grpc.MemberServiceStub(channel)
                await self._keep_connected(shown)

    def _channel(self, shown: MemberCredentials) -> grpc.aio.Channel:
        name = shown.server_name(self.name)
        return grpc.aio.secure_channel(
            self.address,
            grpc.ssl_channel_credentials(shown.authority, shown.key, shown.certificate),
            options=(*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", name)),
        )

    async def _keep_connected(self, shown: MemberCredentials) -> None:
        """Reconnect until there are new credentials and the connection with these has ended."""
        pause_s = self._options.reconnect_s
        while shown is self.credentials:
            try:
                await self._converse(self.stub.Exchange())
            except (grpc.aio.AioRpcError, TimeoutError, asyncio.InvalidStateError) as error:
                self._tell(error)
            was_connected, self.connected = self.connected, False
            self.dropped += len(self._queue)
            self._queue.clear()
            self._queue_bytes = 0
            if was_connected:
                pause_s = self._options.reconnect_s
                self.lost()
            await asyncio.sleep(pause_s * (0.5 + self._jitter.random() / 2))
            pause_s = min(2 * pause_s, self._options.reconnect_s_max)

    def _tell(self, error: Exception) -> None:
        if isinstance(error, grpc.aio.AioRpcError) and error.code() is DISMISSED:
            self.dismissed(error.details() or "")
        # Logged once after each connection, as the member may be away for long.
        if self.connected or not self._told:
            detail = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
            _LOG.warning("no connection to member %s: %s", self.name, detail)
            self._told = True

    async def _converse(self, call: _Call) -> None:
        """Introduce this member, then send the queued messages, until the connection ends."""
        try:
            async with asyncio.timeout(_HELLO_S):
                await call.write(members_pb2.ExchangeRequest(hello=self._hello))
                answer = await call.read()
            if answer is grpc.aio.EOF:
                # The call's status says why.
                await call
                return
            if answer.hello.member_id != self._peer_id:
                raise TimeoutError(f"member {answer.hello.member_id} answered")
            self.connected = True
            if self._told:
                self._told = False
                _LOG.info("member %s is connected", self.name)
            await self._send_all(call)
        finally:
            call.cancel()

    async def _send_all(self, call: _Call) -> None:
        ended = asyncio.ensure_future(call.read())
        ended.add_done_callback(lambda _: self._wake_up())
        loop = asyncio.get_running_loop()
        try:
            while not ended.done():
                if not self._queue:
                    # One future in place of a task and a wait, as this happens for every frame.
                    self._wake = loop.create_future()
                    await self._wake
                    continue
                await call.write(members_pb2.ExchangeRequest(messages=self._next_frame()))
            ended.result()
        finally:
            ended.cancel()

    def _next_frame(self) -> list[bytes]:
        messages = []
        size = 0
        while self._queue and size < self._options.frame_bytes:
            data = self._queue.popleft()
            size += len(data)
            messages.append(data)
        self._queue_bytes -= size
        return messages
