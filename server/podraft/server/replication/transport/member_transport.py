"""Messages between members: gRPC streams over mutual TLS.

Owns: one stream to every other member (messages to it) and the service that takes theirs.

Invariants: both ends have shown certificates of this cluster's members and the same cluster id
before a message counts, and a message counts only if its sender is the caller.  Queues are bounded:
a message that does not fit or was on a broken connection is lost, but never delayed without end and
never duplicated.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.message import Message as ProtobufMessage

from podraft.client.serving.incoming import Anyone, Connections
from podraft.client.serving.serving_certificates import renewable_credentials
from podraft.client.serving.strangers import StrangerLimits
from podraft.internal.raft.v1 import members_pb2
from podraft.server.raft.entries import MemberId
from podraft.server.raft.messages import Message
from podraft.server.replication.core.roster import Peer
from podraft.server.replication.faults import SnapshotError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.transport.introductions import FORMAT_VERSION, Introductions
from podraft.server.replication.transport.member_link import (
    FRAME_BYTES_MAX,
    MemberCredentials,
    MemberLink,
)
from podraft.server.replication.transport.message_encoding import (
    Encoder,
    MessageFormatError,
    decode_message,
)
from podraft.server.store.directory import StoreOpenError

_LOG = logging.getLogger(__name__)

_SERVICE: Final = members_pb2.DESCRIPTOR.services_by_name["MemberService"].full_name
# A group has a handful of members, each with a connection or two; further callers are strangers.
_CONNECTIONS_MAX: Final = 128
_SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", FRAME_BYTES_MAX),
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    ("grpc.max_allowed_incoming_connections", _CONNECTIONS_MAX),
    # How much a caller may send before its identity is known.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 64 * 1024),
    ("grpc.max_concurrent_streams", 64),
)


class TransportError(StoreOpenError):
    """The address for other members cannot be used; the message says why."""


Receive: TypeAlias = Callable[[Message], None]
# Receives a snapshot from a verified member, after its first request.
ReceiveSnapshot: TypeAlias = Callable[
    [members_pb2.SendSnapshotRequest, AsyncIterator[members_pb2.SendSnapshotRequest]],
    AsyncIterator[members_pb2.SendSnapshotResponse],
]
# Changes the group, if this member leads it.
AnswerChange: TypeAlias = Callable[
    [members_pb2.ChangeGroupRequest], Awaitable[members_pb2.ChangeGroupResponse]
]
MessageT = TypeVar("MessageT", bound=ProtobufMessage)
_Call: TypeAlias = Any  # A stream-stream call; generic in gRPC's types in one version only.


class MemberTransport:
    """This member's end of all streams; belongs to the loop that made it."""

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
            cluster_id=cluster_id,
            member_id=me.id,
            format=FORMAT_VERSION,
            incarnation=me.incarnation,
            peer_address=me.address,
        )
        self._encoder = Encoder()
        self._peers: dict[MemberId, Peer] = {}
        self._introductions = Introductions(cluster_id, credentials.name_of)
        # The addresses of members that have announced another one than is known.
        self._moved: dict[MemberId, str] = {}
        self._links: dict[MemberId, MemberLink] = {}
        self._server = grpc.aio.server(options=_SERVER_OPTIONS)
        self._connections = Connections(StrangerLimits.of(_CONNECTIONS_MAX))
        self._members = Anyone()
        self._receive: Receive
        self._receive_snapshot: ReceiveSnapshot
        # What the answer to a probe holds besides this member's clock.
        self.answer_probe: Callable[[], members_pb2.ProbeResponse] = members_pb2.ProbeResponse
        self.answer_change: AnswerChange | None = None
        # Called, with the reason, when another member reports that this one must not take part.
        self.dismissed: Callable[[str], None] = _LOG.error
        # Called when a stream to a member has ended: messages on it may be lost.
        self.link_lost: Callable[[MemberId], object] = bool
        self.port = 0

    async def start(self, listen: str, receive: Receive, receive_snapshot: ReceiveSnapshot) -> None:
        """Serve other members on ``listen``; ``receive`` gets their messages, on the loop.

        Raises:
            TransportError: The address cannot be used.
        """
        self._receive, self._receive_snapshot = receive, receive_snapshot
        handlers = _handlers(_Service(self))
        generic = grpc.method_handlers_generic_handler(_SERVICE, handlers)
        self._server.add_generic_rpc_handlers((generic,))
        try:
            self.port = self._server.add_secure_port(listen, self._server_credentials())
        except RuntimeError:
            self.port = 0
        if not self.port:
            raise TransportError(f"cannot listen on {listen} for other members")
        await self._server.start()
        self._connections.start((self.port,))

    def _server_credentials(self) -> grpc.ServerCredentials:
        return renewable_credentials(lambda: self._credentials, _server_configuration, mutual=True)

    def use(self, certificate: bytes, key: bytes) -> None:
        """Show this certificate from the next handshake on; existing connections stay."""
        self._credentials = replace(self._credentials, certificate=certificate, key=key)
        for link in self._links.values():
            link.credentials = self._credentials

    def set_peers(self, peers: Iterable[Peer], removed: Iterable[MemberId] = ()) -> None:
        """Talk to exactly these members (except this one); ``removed`` ones are turned away."""
        known = self._peers
        self._peers = {peer.id: peer for peer in peers if peer.id != self.me.id}
        self._introductions.peers = self._peers
        self._introductions.removed = frozenset(removed)
        for peer in self._peers.values():
            if peer.id not in known or known[peer.id].address != peer.address:
                # The change is newer than what the member itself announced before.
                self._moved.pop(peer.id, None)
        for gone in self._links.keys() - self._peers.keys():
            self._links.pop(gone).cancel()
        for peer in self._peers.values():
            self._connect(peer)

    def _connect(self, peer: Peer) -> None:
        """Make sure that there is a link to ``peer``'s address."""
        at = self._moved.get(peer.id, peer.address)
        link = self._links.get(peer.id)
        if link is not None:
            if (link.address, link.name) == (at, peer.name):
                return
            link.cancel()
        link = MemberLink(peer.id, peer.name, at, self._hello, self._credentials, self._options)
        link.dismissed = lambda why: self.dismissed(why)
        link.lost = lambda: self.link_lost(peer.id)
        self._links[peer.id] = link

    def _met(self, hello: members_pb2.MemberHello) -> None:
        """Take note of the address that a member has announced, which may be new."""
        peer = self._peers.get(hello.member_id)
        if peer is None or not hello.peer_address:
            return
        if self._moved.get(peer.id, peer.address) != hello.peer_address:
            _LOG.warning("member %s is at %s now", peer.name, hello.peer_address)
            self._moved[peer.id] = hello.peer_address
            self._connect(peer)

    def send(self, message: Message) -> bool:
        """Send ``message`` soon, if possible, without waiting.

        Return False if it certainly will not arrive.
        """
        link = self._links.get(message.to)
        return link is not None and link.send(self._encoder.encode(message))

    def encode(self, message: Message) -> bytes:
        """Return the bytes of ``message``."""
        return self._encoder.encode(message)

    def snapshot_call(self, to: MemberId) -> tuple[_Call, members_pb2.MemberHello] | None:
        """Return a new call for a snapshot and its first message; None if ``to`` has no link."""
        link = self._links.get(to)
        if link is None or not link.connected or link.stub is None:
            return None
        return link.stub.SendSnapshot(), self._hello

    @property
    def certificate(self) -> bytes:
        """The certificate, in PEM, that this member shows to the others."""
        return self._credentials.certificate

    def probe_call(self, to: MemberId, timeout_s: float) -> _Call | None:
        """Return a new call that measures the connection to ``to``; None if it has no link."""
        link = self._links.get(to)
        if link is None or not link.connected or link.stub is None:
            return None
        return link.stub.Probe(members_pb2.ProbeRequest(hello=self._hello), timeout=timeout_s)

    async def ask_change(
        self, leader: MemberId, request: members_pb2.ChangeGroupRequest, timeout_s: float
    ) -> members_pb2.ChangeGroupResponse | None:
        """Ask the leader to change the group; None if it was not asked.

        Raises:
            grpc.aio.AioRpcError: The call failed; the leader may have been asked.
        """
        link = self._links.get(leader)
        if link is None or not link.connected or link.stub is None:
            return None
        request.hello.CopyFrom(self._hello)
        response: members_pb2.ChangeGroupResponse
        response = await link.stub.ChangeGroup(request, timeout=timeout_s)
        return response

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
        """The members that have accepted this one's stream."""
        return tuple(peer for peer, link in self._links.items() if link.connected)

    async def close(self) -> None:
        """End all links and the service."""
        links, self._links, self._peers = list(self._links.values()), {}, {}
        for link in links:
            link.cancel()
        for link in links:
            await link.ended()
        await self._connections.stop()
        await self._server.stop(0)

    # The serving side.

    async def admit(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        """Admit a member's call, before anything of it is read."""
        await self._introductions.check_certificate(context)
        self._connections.recognize(context.peer(), self._members)

    async def only(
        self,
        request: type[MessageT],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> MessageT:
        """Return the one message of a member's call."""
        await self.admit(context)
        received = await context.read()
        if not isinstance(received, bytes):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message")
        try:
            return request.FromString(received)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the message is malformed")

    async def take(
        self,
        requests: AsyncIterator[members_pb2.ExchangeRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[members_pb2.ExchangeResponse]:
        """Answer the caller's introduction, then take its messages."""
        await self.admit(context)
        first = await anext(aiter(requests), None)
        if first is None:
            return
        await self._introductions.check(first.hello, context)
        self._met(first.hello)
        sender = first.hello.member_id
        yield members_pb2.ExchangeResponse(hello=self._hello)
        async for request in requests:
            if sender not in self._peers:
                # The member was removed meanwhile.
                await self._introductions.check(first.hello, context)
            self._take_all(sender, request.messages)

    async def take_snapshot(
        self,
        requests: AsyncIterator[members_pb2.SendSnapshotRequest],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[members_pb2.SendSnapshotResponse]:
        """Receive a snapshot from a member that has introduced itself."""
        await self.admit(context)
        first = await anext(aiter(requests), None)
        if first is None:
            return
        await self._introductions.check(first.hello, context)
        async for response in self._receive_snapshot(first, requests):
            yield response

    async def take_probe(
        self,
        request: members_pb2.ProbeRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> members_pb2.ProbeResponse:
        """Tell this member's clock to a member that has introduced itself."""
        received_ns = time.time_ns()
        await self._introductions.check(request.hello, context)
        response = self.answer_probe()
        response.received_unix_ns = received_ns
        response.sent_unix_ns = time.time_ns()
        return response

    async def take_change(
        self,
        request: members_pb2.ChangeGroupRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> members_pb2.ChangeGroupResponse:
        """Change the group for a member that has introduced itself."""
        await self._introductions.check(request.hello, context)
        if self.answer_change is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this member is starting")
        return await self.answer_change(request)

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


def _handlers(service: _Service) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    """Return the service's methods, those with a single message as streams, too.

    Thereby nothing is read before the caller's certificate has been checked.
    """
    return {
        "Exchange": grpc.stream_stream_rpc_method_handler(
            service.Exchange,
            request_deserializer=members_pb2.ExchangeRequest.FromString,
            response_serializer=members_pb2.ExchangeResponse.SerializeToString,
        ),
        "SendSnapshot": grpc.stream_stream_rpc_method_handler(
            service.SendSnapshot,
            request_deserializer=members_pb2.SendSnapshotRequest.FromString,
            response_serializer=members_pb2.SendSnapshotResponse.SerializeToString,
        ),
        "Probe": grpc.stream_unary_rpc_method_handler(
            service.Probe, response_serializer=members_pb2.ProbeResponse.SerializeToString
        ),
        "ChangeGroup": grpc.stream_unary_rpc_method_handler(
            service.ChangeGroup,
            response_serializer=members_pb2.ChangeGroupResponse.SerializeToString,
        ),
    }


class _Service:
    """The service: a thin adapter, as generated names are not ours."""

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
        self, _: object, context: grpc.aio.ServicerContext[Any, Any]
    ) -> members_pb2.ProbeResponse:
        """Answer a probe."""
        request = await self._transport.only(members_pb2.ProbeRequest, context)
        return await self._transport.take_probe(request, context)

    async def ChangeGroup(  # noqa: N802 - The contract's name.
        self, _: object, context: grpc.aio.ServicerContext[Any, Any]
    ) -> members_pb2.ChangeGroupResponse:
        """Change the group."""
        request = await self._transport.only(members_pb2.ChangeGroupRequest, context)
        return await self._transport.take_change(request, context)
