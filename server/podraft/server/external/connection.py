"""Calling the members of an etcd cluster.

Owns: one channel per member, the choice of the member to ask, and the meaning of etcd's errors.

Invariants: a read is tried again, within bounds, at other members; a transaction is tried
again only if it certainly never left.  Any other failure of a transaction is reported as
an unknown outcome, never as a success or a failure.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any, Final, Protocol, TypeVar

import grpc

from podraft.server.external.address import EtcdAddress
from podraft.server.state.datastore import (
    StoreOverloadedError,
    StoreUnavailableError,
    TransactionTooLargeError,
)

_CALL_TIMEOUT_S: Final = 5.0
_PATIENCE_S: Final = 5.0
_PAUSE_S_MIN: Final = 0.05
_PAUSE_S_MAX: Final = 1.0
# A member that has lost its leader ends our watches rather than keeping them silent.
_WATCH_METADATA: Final = (("hasleader", "true"),)
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # etcd refuses clients that ping more often than every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
)
_NEVER_SENT: Final = "failed to connect to all addresses"
_ELSEWHERE: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)

_TOO_MANY_OPERATIONS: Final = (
    "the transaction has more reads and writes than this etcd takes at once (128 unless etcd "
    "is started with --max-txn-ops): start etcd with --max-txn-ops=10000, or write less at once"
)
_TOO_MANY_BYTES: Final = (
    "the transaction has more bytes than this etcd takes at once (1.5 MiB unless etcd is "
    "started with --max-request-bytes): start etcd with --max-request-bytes=10485760, or "
    "write less at once"
)
_DATABASE_FULL: Final = (
    "etcd's database is full, nothing was written: compact and defragment etcd, raise its "
    "--quota-backend-bytes, then disarm its alarm"
)


class LeaseLostError(StoreUnavailableError):
    """etcd no longer knows a lease; nothing was written."""


class Message(Protocol):
    """A protobuf message."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the message's encoding."""


ResponseT = TypeVar("ResponseT", bound=Any)


class EtcdConnection:
    """The members of one etcd cluster; calls go to one of them as long as it answers."""

    def __init__(self, address: EtcdAddress) -> None:
        self._address = address
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._current = 0
        # It only spreads retries over time; nothing depends on its values.
        self._random = Random()

    async def call(
        self, method: str, request: Message, response: type[ResponseT], *, repeatable: bool
    ) -> ResponseT:
        """Call ``method`` (such as ``etcdserverpb.KV/Range``) and return the answer.

        Raises:
            grpc.aio.AioRpcError: etcd refused the request itself.
            StoreUnavailableError: No member answers, or the outcome is unknown.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        pause_s = _PAUSE_S_MIN
        while True:
            tried = self._current
            call = self._channel().unary_unary(
                f"/{method}",
                request_serializer=_serialize,
                response_deserializer=response.FromString,
            )
            try:
                answer: ResponseT = await call(request, timeout=_CALL_TIMEOUT_S)
                return answer
            except grpc.aio.AioRpcError as error:
                if error.code() not in _ELSEWHERE:
                    raise
                self.leave(tried)
                never_sent = (error.details() or "").startswith(_NEVER_SENT)
                if not (repeatable or never_sent) or time.monotonic() + pause_s > deadline_s:
                    raise _unavailable(error, known=repeatable or never_sent) from None
            await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    def stream(
        self, method: str, response: type[ResponseT]
    ) -> tuple[int, grpc.aio.StreamStreamCall[Any, ResponseT]]:
        """Open a stream; return it and the member to `leave` when it breaks."""
        call = self._channel().stream_stream(
            f"/{method}", request_serializer=_serialize, response_deserializer=response.FromString
        )
        return self._current, call(metadata=_WATCH_METADATA)

    def leave(self, member: int) -> None:
        """Ask another member from now on, unless another call has already left ``member``."""
        if member == self._current:
            self._current = (member + 1) % len(self._address.endpoints)

    async def close(self) -> None:
        """End all calls."""
        for channel in self._channels.values():
            await channel.close()

    def _channel(self) -> grpc.aio.Channel:
        endpoint = self._address.endpoints[self._current]
        channel = self._channels.get(endpoint)
        if channel is None:
            credentials = self._address.credentials
            if credentials is None:
                channel = grpc.aio.insecure_channel(endpoint, _OPTIONS)
            else:
                channel = grpc.aio.secure_channel(endpoint, credentials, _OPTIONS)
            self._channels[endpoint] = channel
        return channel


def refusal(error: grpc.aio.AioRpcError) -> Exception:
    """Return the store's exception for etcd's refusal of a transaction."""
    code, details = error.code(), error.details() or ""
    if "too many operations" in details:
        return TransactionTooLargeError(_TOO_MANY_OPERATIONS)
    if "request is too large" in details or "larger than max" in details:
        return TransactionTooLargeError(_TOO_MANY_BYTES)
    if "space exceeded" in details:
        return StoreUnavailableError(_DATABASE_FULL)
    if "requested lease not found" in details:
        return LeaseLostError("etcd lost a lease; nothing was written, try again")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return StoreOverloadedError(f"etcd: {details}")
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return StoreUnavailableError(f"etcd refuses us: {details}")
    return _unavailable(error, known=False)


def _unavailable(error: grpc.aio.AioRpcError, *, known: bool) -> StoreUnavailableError:
    outcome = "nothing was written" if known else "the outcome is unknown"
    details = error.details() or error.code().name
    if details.startswith(_NEVER_SENT):
        details = details.rpartition(": ")[2]  # The rest are gRPC's own states and addresses.
    return StoreUnavailableError(f"etcd does not answer ({details}); {outcome}")


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
