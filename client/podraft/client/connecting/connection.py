"""Calls to a cluster, through any of its servers that answers.

Owns: deadlines, which calls are retried and where, and discovering the cluster's servers.

Invariants: a call that may change something is sent again only with the request id that makes it
take effect once; a call that a server refused is never retried; a call ends by its deadline, and
much sooner if no server listens at all.  Every failure is an `errors.ApiError`.

A server that dies is abandoned at the first call that breaks.  One that accepts calls but does not
answer is abandoned after the attempt's own deadline, which doubles for the next attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from podraft.api import limits
from podraft.api.details import WARNING_KEY
from podraft.client.backoff import Backoff
from podraft.client.connecting.config import ClusterConfig
from podraft.client.connecting.failures import from_rpc_error, unanswered
from podraft.client.connecting.links import Link, Links, encode
from podraft.client.connecting.servers import Servers
from podraft.client.errors import ApiError, InvalidError, UnavailableError

if TYPE_CHECKING:
    from podraft.api.cluster.v1 import member_pb2

ResponseT = TypeVar("ResponseT")
OnServers = Callable[[tuple[str, ...]], None]

# An attempt's first deadline; a large request gets more.
_ATTEMPT_S = 1.5
_ATTEMPT_BYTES_PER_S = 256 * 1024
# For lists, which can be large.
LONG_ATTEMPT_S = 10.0
# The call fails when no server has even accepted a connection for this long.
_NOBODY_S = 3.0
# It also fails when servers have said for this long that they cannot answer now.
_UNABLE_S = 10.0
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.05, 0.5
# Short-lived processes never ask which servers there are.
_LEARN_FIRST_S, _LEARN_S = 3.0, 30.0

_LOST = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    # A stopping server ends its calls with this code; our own code never does.
    grpc.StatusCode.CANCELLED,
    # How gRPC reports a connection that breaks in the middle of an answer.
    grpc.StatusCode.UNKNOWN,
)
_LIST_MEMBERS = "/podraft.api.cluster.v1.MemberService/ListMembers"
_NEVER_CONNECTED = "failed to connect to all addresses"


@dataclass(slots=True)
class _Attempts:
    """The attempts made so far for one call."""

    began: float
    deadline: float
    attempt_s: float
    backoff: Backoff = field(default_factory=lambda: Backoff(_PAUSE_S_MIN, _PAUSE_S_MAX))
    count: int = 0
    # The last failure of each server.
    failures: dict[str, grpc.aio.AioRpcError] = field(default_factory=dict)
    # When a server was last reachable, and when an answer might just have come too late.
    somebody: float = 0.0
    too_late: bool = False

    def failed(self, server: str, error: grpc.aio.AioRpcError, now: float) -> None:
        self.count += 1
        self.failures[server] = error
        self.too_late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if self.too_late:
            self.attempt_s *= 2
        if not (error.details() or "").startswith(_NEVER_CONNECTED):
            self.somebody = now

    def patience_s(self, retry_s: float | None) -> float | None:
        """Return how long to wait when the server asked for it, longer each time; else None."""
        return None if retry_s is None else max(retry_s, self.backoff.next_pause_s())

    def pause_s(self, servers: int) -> float:
        """Return how long to wait, in seconds: 0 while there are other servers to try."""
        return 0.0 if self.count % servers else self.backoff.next_pause_s()

    def hopeless(self, now: float) -> bool:
        return (
            now >= self.deadline
            or now - max(self.somebody, self.began) > _NOBODY_S
            or (now - self.began > _UNABLE_S and not self.too_late)
        )


class Connection:
    """A connection to one cluster; belongs to the event loop in which it is made."""

    def __init__(
        self, config: ClusterConfig, timeout_s: float, *, learn_servers: bool = True
    ) -> None:
        if not config.servers:
            raise UnavailableError(grpc.StatusCode.UNAVAILABLE, "the configuration names no server")
        self._timeout_s = timeout_s
        self._servers = Servers(config.servers)
        self._links = Links(config)
        self._metadata = config.metadata
        self._loop = asyncio.get_running_loop()
        self._learns = learn_servers
        self._learning: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self.on_servers: OnServers | None = None
        # Called with each warning that a server gives about a call that succeeded.
        self.on_warning: Callable[[str], None] | None = None

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses of all known servers."""
        return self._servers.all

    async def call(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> ResponseT:
        """Call a method once.

        Raises:
            ApiError: The server refused the call, or the transport failed.

        """
        link = self._link()
        try:
            method = link.unary(path, decode)
            call = method(request, timeout=self._timeout_s, metadata=self._metadata)
            return cast(ResponseT, await call)
        except grpc.aio.AioRpcError as error:
            if error.code() in _LOST:
                self._leave(link.server)
            raise from_rpc_error(error) from None

    async def read(
        self,
        path: str,
        request: Message,
        decode: Callable[[bytes], ResponseT],
        *,
        attempt_s: float = _ATTEMPT_S,
    ) -> ResponseT:
        """Call a method without effects, retrying until a server answers.

        Raises:
            ApiError: A server refused, or none answered in time.

        """
        return await self._retried(path, request, decode, attempt_s)

    async def write(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> ResponseT:
        """Call a method, retrying until a server answers; its request id lets it take effect once.

        Raises:
            InvalidError: The request is larger than any server takes; it was not sent.
            ApiError: A server refused, or none answered in time: the outcome is unknown.

        """
        size = request.ByteSize()
        if size > limits.REQUEST_BYTES_MAX:
            code = grpc.StatusCode.INVALID_ARGUMENT
            raise InvalidError(code, limits.request_too_large(size))
        return await self._retried(path, request, decode, _ATTEMPT_S)

    async def _retried(
        self,
        path: str,
        request: Message,
        decode: Callable[[bytes], ResponseT],
        attempt_s: float,
    ) -> ResponseT:
        now = self._loop.time()
        attempt_s += request.ByteSize() / _ATTEMPT_BYTES_PER_S
        attempts = _Attempts(now, now + self._timeout_s, attempt_s)
        while True:
            link = self._link()
            timeout_s = max(min(attempts.attempt_s, attempts.deadline - self._loop.time()), 0.001)
            try:
                method = link.unary(path, decode)
                call = method(request, timeout=timeout_s, metadata=self._metadata)
                response = cast(ResponseT, await call)
                if self.on_warning is not None:
                    await self._tell_warnings(call, self.on_warning)
                return response
            except grpc.aio.AioRpcError as error:
                now = self._loop.time()
                if error.code() not in _LOST:
                    failure = from_rpc_error(error)
                    pause_s = attempts.patience_s(failure.retry_s)
                    if pause_s is None or now + pause_s >= attempts.deadline:
                        raise failure from None
                    await asyncio.sleep(pause_s)
                    continue
                self._leave(link.server)
                attempts.failed(link.server, error, now)
                pause_s = attempts.pause_s(len(self._servers.all))
                if attempts.hopeless(now + pause_s):
                    raise unanswered(attempts.failures, now - attempts.began) from None
            await asyncio.sleep(pause_s)

    @staticmethod
    async def _tell_warnings(call: Any, tell: Callable[[str], None]) -> None:
        for key, value in await call.trailing_metadata() or ():
            if key == WARNING_KEY:
                tell(value.decode(errors="replace"))

    def stream(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> AsyncIterator[ResponseT]:
        """Yield the answers to one request; closing the iterator cancels it."""
        return self._responses(
            lambda link: link.channel.unary_stream(path, encode, decode)(
                request, metadata=self._metadata
            )
        )

    def converse(
        self,
        path: str,
        sent: AsyncIterator[Message],
        decode: Callable[[bytes], ResponseT],
    ) -> AsyncGenerator[ResponseT, None]:
        """Yield the answers while sending messages; closing the iterator cancels the call."""
        return self._responses(
            lambda link: link.channel.stream_stream(path, encode, decode)(
                sent, metadata=self._metadata
            )
        )

    async def _responses(self, start: Callable[[Link], Any]) -> AsyncGenerator[Any, None]:
        link = await self._connected_link()
        call = start(link)  # Here, so that an iterator that is never used makes no call.
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            if error.code() in _LOST:
                self._leave(link.server)
            raise from_rpc_error(error) from None
        finally:
            call.cancel()

    async def _connected_link(self) -> Link:
        """Return a connected channel, because a stream cannot be sent again."""
        for _ in self._servers.all:
            link = self._link()
            if await link.connects():
                return link
            self._leave(link.server)
        return self._link()  # Its failure says why.

    async def close(self) -> None:
        """Cancel running calls and close all channels."""
        if self._learning is not None:
            self._learning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._learning
        await self._links.close()

    # Discovering the servers.

    def _link(self) -> Link:
        if self._learns and self._learning is None:
            self._learning = self._loop.create_task(self._learn_servers(), name="learn servers")
        return self._links.to(self._servers.current)

    def _leave(self, server: str) -> None:
        self._servers.failed(server)
        self._lost.set()

    async def list_members(self) -> member_pb2.ListMembersResponse:
        """Return the servers of the cluster, as the one that answers sees them."""
        # Imported late: only callers that use it pay for it.
        from podraft.api.cluster.v1 import member_pb2

        request = member_pb2.ListMembersRequest()
        return await self.read(_LIST_MEMBERS, request, member_pb2.ListMembersResponse.FromString)

    async def _learn_servers(self) -> None:
        """Ask which servers the cluster has, now and then and after one was lost."""
        if self.on_servers is None:  # A process with a callback is long-lived: it asks at once.
            await asyncio.sleep(_LEARN_FIRST_S)
        while True:
            with contextlib.suppress(ApiError):
                self._learn(await self.list_members())
                self._lost.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LEARN_S):
                        await self._lost.wait()
            await asyncio.sleep(_PAUSE_S_MAX)

    def _learn(self, group: member_pb2.ListMembersResponse) -> None:
        """Adopt the list of servers that a server gave."""
        if len(group.members) < 2:
            return  # A lone server is where it was found.
        before = self._servers.all
        addresses = [list(member.api_addresses) for member in group.members]
        # Each server's best address first: its other addresses are no help when it is down.
        addresses.sort(key=len)
        ranked = [
            address[rank]
            for rank in range(max(map(len, addresses), default=0))
            for address in addresses
            if rank < len(address)
        ]
        self._servers.learn(ranked)
        if self.on_servers is not None and self._servers.all != before:
            self.on_servers(self._servers.all)
