"""Messages between members: gRPC streams over mutual TLS.

Owns: one stream to every other member (messages to it) and the service that takes theirs.

Invariants: both ends have shown certificates of this cluster's members and the same cluster id
before a message counts, and a message counts only from whom it says it is.  Queues are bounded:
what does not fit or was on a broken connection is lost, never delayed without end, never doubled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, TypeAlias

import grpc

from podraft.internal.raft.v1 import members_pb2, members_pb2_grpc
from podraft.server.raft.entries import MemberId
from podraft.server.raft.messages import Message
from podraft.server.replication.directory import StoreOpenError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.snapshots import SnapshotError
from podraft.server.replication.wire import Encoder, MessageFormatError, decode_message

_LOG = logging.getLogger(__name__)

FORMAT_VERSION: Final = 1
_FRAME_BYTES_MAX: Final = 64 * 1024 * 1024
_HELLO_S: Final = 2.0
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _FRAME_BYTES_MAX),
    ("grpc.max_send_message_length", _FRAME_BYTES_MAX),
    # A cut link says nothing: ask.
    ("grpc.keepalive_time_ms", 1_000),
    ("grpc.keepalive_timeout_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Half of the least election timeout: who comes back must not be missed by the next election.
    # An attempt may take a second ("min"): handshakes on a busy machine do.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
_SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _FRAME_BYTES_MAX),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A member as others reach it."""

    id: MemberId
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class MemberCredentials:
    """What a member shows and believes.

    ``name_of`` tells the member's name in a verified certificate (PEM), None if it is no member's;
    ``server_name`` the DNS name that the certificate of the member of that name holds.
    """

    authority: bytes
    certificate: bytes
    key: bytes
    name_of: Callable[[bytes], str | None]
    server_name: Callable[[str], str]


class TransportError(StoreOpenError):
    """The address for other members cannot be used; the message says why."""


Receive: TypeAlias = Callable[[Message], None]
# Takes a snapshot of a verified member, after its first request.
ReceiveSnapshot: TypeAlias = Callable[
    [members_pb2.SendSnapshotRequest, AsyncIterator[members_pb2.SendSnapshotRequest]],
    AsyncIterator[members_pb2.SendSnapshotResponse],
]
_Call: TypeAlias = Any  # A stream-stream call; generic in gRPC's types in one version only.


class MemberTransport:
    """This member's end of all streams; lives on the loop that made it."""

    def __init__(
        self,
        me: Peer,
        cluster_id: bytes,
        credentials: MemberCredentials,
        options: MemberOptions,
    ) -> None:
        self.me = me
        self._credentials = credentials
        self._options = options
        self._hello = members_pb2.MemberHello(
            cluster_id=cluster_id, member_id=me.id, format=FORMAT_VERSION
        )
        self._encoder = Encoder()
        self._peers: dict[MemberId, Peer] = {}
        self._links: dict[MemberId, _Link] = {}
        self._server = grpc.aio.server(options=_SERVER_OPTIONS)
        self._receive: Receive
        self._receive_snapshot: ReceiveSnapshot
        # What a probe is told, besides this member's clock.
        self.answer_probe: Callable[[], members_pb2.ProbeResponse] = members_pb2.ProbeResponse
        self.port = 0

    async def start(self, listen: str, receive: Receive, receive_snapshot: ReceiveSnapshot) -> None:
        """Serve other members on ``listen``; ``receive`` gets what they say, on the loop.

        Raises:
            TransportError: The address cannot be used.
        """
        self._receive, self._receive_snapshot = receive, receive_snapshot
        members_pb2_grpc.add_MemberServiceServicer_to_server(_Service(self), self._server)
        try:
            self.port = self._server.add_secure_port(listen, self._server_credentials())
        except RuntimeError:
            self.port = 0
        if not self.port:
            raise TransportError(f"cannot listen on {listen} for other members")
        await self._server.start()

    def _server_credentials(self) -> grpc.ServerCredentials:
        shown = self._credentials

        def renewed() -> grpc.ServerCertificateConfiguration | None:
            # Called by gRPC at every handshake, on its own threads: None is "as before".
            nonlocal shown
            if shown is self._credentials:
                return None
            shown = self._credentials
            return _server_configuration(shown)

        # The stubs do not know that None is allowed.
        fetch: Any = renewed
        return grpc.dynamic_ssl_server_credentials(
            _server_configuration(shown), fetch, require_client_authentication=True
        )

    def use(self, certificate: bytes, key: bytes) -> None:
        """Show this certificate from the next handshake on; connections that are there stay."""
        self._credentials = replace(self._credentials, certificate=certificate, key=key)
        for link in self._links.values():
            link.credentials = self._credentials

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """Talk to exactly these members (but not to oneself)."""
        wanted = {peer.id: peer for peer in peers if peer.id != self.me.id}
        for gone in [known.id for known in self._peers.values() if wanted.get(known.id) != known]:
            self._links.pop(gone).cancel()
        self._peers = wanted
        for peer in wanted.values():
            if peer.id not in self._links:
                link = _Link(peer, self._hello, self._credentials, self._options)
                self._links[peer.id] = link

    def send(self, message: Message) -> None:
        """Send ``message`` soon, if it can be; nobody waits for it."""
        link = self._links.get(message.to)
        if link is not None:
            link.send(self._encoder.encode(message))

    def encode(self, message: Message) -> bytes:
        """Return the bytes of ``message``."""
        return self._encoder.encode(message)

    def snapshot_call(self, to: MemberId) -> tuple[_Call, members_pb2.MemberHello] | None:
        """Return a new call for a snapshot, and how to begin it; None if nobody is there."""
        link = self._links.get(to)
        if link is None or not link.connected or link.stub is None:
            return None
        return link.stub.SendSnapshot(), self._hello

    @property
    def certificate(self) -> bytes:
        """What this member shows to the others, PEM."""
        return self._credentials.certificate

    def probe_call(self, to: MemberId, timeout_s: float) -> _Call | None:
        """Return a new call that measures the way to ``to``; None if nobody is there."""
        link = self._links.get(to)
        if link is None or not link.connected or link.stub is None:
            return None
        return link.stub.Probe(members_pb2.ProbeRequest(hello=self._hello), timeout=timeout_s)

    @property
    def peers(self) -> tuple[Peer, ...]:
        """The other members."""
        return tuple(self._peers.values())

    def dropped(self, to: MemberId) -> int:
        """Return how many messages to a member were lost on this side."""
        link = self._links.get(to)
        return link.dropped if link is not None else 0

    def name_of(self, member: MemberId) -> str:
        """Return the name of a member, or its number if it is not known here."""
        peer = self.me if member == self.me.id else self._peers.get(member)
        return peer.name if peer is not None else str(member)

    @property
    def connected(self) -> tuple[MemberId, ...]:
        """Which members have accepted this one's stream."""
        return tuple(peer for peer, link in self._links.items() if link.connected)

    async def close(self) -> None:
        """Part from everybody."""
        links, self._links, self._peers = list(self._links.values()), {}, {}
        for link in links:
            link.cancel()
        for link in links:
            await link.ended()
        await self._server.stop(0)

    # The serving side.

    async def take(
        self,
        requests: AsyncIterator[members_pb2.ExchangeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[members_pb2.ExchangeResponse]:
        """Answer the caller's introduction, then take its messages."""
        first = await anext(aiter(requests), None)
        problem = self._problem_with(first.hello if first is not None else None, context)
        if problem is not None or first is None:
            _LOG.warning("a member's stream was refused: %s", problem)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, problem or "no introduction")
        sender = first.hello.member_id
        yield members_pb2.ExchangeResponse(hello=self._hello)
        async for request in requests:
            self._take_all(sender, request.messages)

    async def take_snapshot(
        self,
        requests: AsyncIterator[members_pb2.SendSnapshotRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[members_pb2.SendSnapshotResponse]:
        """Take a snapshot of a member that has introduced itself."""
        first = await anext(aiter(requests), None)
        problem = self._problem_with(first.hello if first is not None else None, context)
        if problem is not None or first is None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, problem or "no introduction")
        async for response in self._receive_snapshot(first, requests):
            yield response

    async def take_probe(
        self,
        request: members_pb2.ProbeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> members_pb2.ProbeResponse:
        """Tell a member that has introduced itself what this one's clock says."""
        received_ns = time.time_ns()
        problem = self._problem_with(request.hello, context)
        if problem is not None:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, problem)
        response = self.answer_probe()
        response.received_unix_ns = received_ns
        response.sent_unix_ns = time.time_ns()
        return response

    def _problem_with(
        self, hello: members_pb2.MemberHello | None, context: grpc.aio.ServicerContext[Any, Any]
    ) -> str | None:
        if hello is None:
            return "the caller did not introduce itself"
        pem = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
        name = self._credentials.name_of(pem)
        peer = self._peers.get(hello.member_id)
        if name is None:
            return "the caller's certificate is no member's"
        if hello.cluster_id != self._hello.cluster_id:
            return f"member {name} belongs to another cluster"
        if peer is None or peer.name != name:
            return f"member {hello.member_id} with the certificate of {name} is not known here"
        if hello.format != FORMAT_VERSION:
            return f"member {name} speaks format {hello.format}, not {FORMAT_VERSION}"
        return None

    def _take_all(self, sender: MemberId, messages: Sequence[bytes]) -> None:
        for data in messages:
            message = decode_message(data)
            if message.sender != sender or message.to != self.me.id:
                raise MessageFormatError(f"member {sender} says what is not its own")
            self._receive(message)


def _server_configuration(shown: MemberCredentials) -> grpc.ServerCertificateConfiguration:
    configuration: grpc.ServerCertificateConfiguration = grpc.ssl_server_certificate_configuration(
        [(shown.key, shown.certificate)], root_certificates=shown.authority
    )
    return configuration


class _Service(members_pb2_grpc.MemberServiceServicer):
    """The service; a thin adapter, as generated names are not ours."""

    def __init__(self, transport: MemberTransport) -> None:
        self._transport = transport

    async def Exchange(  # noqa: N802 - The contract's name.
        self,
        request_iterator: AsyncIterator[members_pb2.ExchangeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[members_pb2.ExchangeResponse]:
        """Carry a member's messages."""
        try:
            async for response in self._transport.take(request_iterator, context):
                yield response
        except MessageFormatError as error:
            _LOG.warning("a member's stream was ended: %s", error)
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

    async def SendSnapshot(  # noqa: N802 - The contract's name.
        self,
        request_iterator: AsyncIterator[members_pb2.SendSnapshotRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[members_pb2.SendSnapshotResponse]:
        """Carry a snapshot."""
        try:
            async for response in self._transport.take_snapshot(request_iterator, context):
                yield response
        except (SnapshotError, MessageFormatError, OSError) as error:
            _LOG.warning("a snapshot was not taken: %s", error)
            await context.abort(grpc.StatusCode.DATA_LOSS, str(error))

    async def Probe(  # noqa: N802 - The contract's name.
        self,
        request: members_pb2.ProbeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> members_pb2.ProbeResponse:
        """Answer a probe."""
        return await self._transport.take_probe(request, context)


class _Link:
    """The stream to one member: a bounded queue and the task that empties it."""

    def __init__(
        self,
        peer: Peer,
        hello: members_pb2.MemberHello,
        credentials: MemberCredentials,
        options: MemberOptions,
    ) -> None:
        self._peer = peer
        self._hello = hello
        # What the next connection is made with.
        self.credentials = credentials
        self._options = options
        self._queue: deque[bytes] = deque()
        self._queue_bytes = 0
        self._wake = asyncio.Event()
        self._jitter = Random()
        self._told = False
        self.connected = False
        self.dropped = 0
        self.stub: Any = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    def send(self, data: bytes) -> None:
        if not self.connected or self._queue_bytes + len(data) > self._options.send_bytes:
            self.dropped += 1
            return
        self._queue.append(data)
        self._queue_bytes += len(data)
        self._wake.set()

    def cancel(self) -> None:
        self._task.cancel()

    async def ended(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        """Connect, and again when that ends; the pauses grow up to a bound."""
        while True:
            shown = self.credentials
            async with self._channel(shown) as channel:
                self.stub = members_pb2_grpc.MemberServiceStub(channel)
                await self._keep_connected(shown)

    def _channel(self, shown: MemberCredentials) -> grpc.aio.Channel:
        name = shown.server_name(self._peer.name)
        return grpc.aio.secure_channel(
            self._peer.address,
            grpc.ssl_channel_credentials(shown.authority, shown.key, shown.certificate),
            options=(*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", name)),
        )

    async def _keep_connected(self, shown: MemberCredentials) -> None:
        """Go on until there are other credentials and the connection made with these has ended."""
        pause_s = self._options.reconnect_s
        while shown is self.credentials:
            try:
                await self._converse(self.stub.Exchange())
            except (grpc.aio.AioRpcError, TimeoutError, asyncio.InvalidStateError) as error:
                self._tell(error)
            if self.connected:
                pause_s = self._options.reconnect_s
            self.connected = False
            self.dropped += len(self._queue)
            self._queue.clear()
            self._queue_bytes = 0
            await asyncio.sleep(pause_s * (0.5 + self._jitter.random() / 2))
            pause_s = min(2 * pause_s, self._options.reconnect_s_max)

    def _tell(self, error: Exception) -> None:
        # Once for each time of being connected: it may be away for long.
        if self.connected or not self._told:
            detail = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
            _LOG.warning("no connection to member %s: %s", self._peer.name, detail)
            self._told = True

    async def _converse(self, call: _Call) -> None:
        """Introduce this member, then send what comes, until the connection ends."""
        try:
            async with asyncio.timeout(_HELLO_S):
                await call.write(members_pb2.ExchangeRequest(hello=self._hello))
                answer = await call.read()
            if answer is grpc.aio.EOF:
                # The call's status says why.
                await call
                return
            if answer.hello.member_id != self._peer.id:
                raise TimeoutError(f"member {answer.hello.member_id} answered")
            self.connected = True
            if self._told:
                self._told = False
                _LOG.info("member %s is connected", self._peer.name)
            await self._send_all(call)
        finally:
            call.cancel()

    async def _send_all(self, call: _Call) -> None:
        ended = asyncio.ensure_future(call.read())
        try:
            while not ended.done():
                if not self._queue:
                    self._wake.clear()
                    waiting = asyncio.ensure_future(self._wake.wait())
                    await asyncio.wait((waiting, ended), return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
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
