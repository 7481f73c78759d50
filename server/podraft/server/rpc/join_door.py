"""The join port: the one at which anybody may knock.

Owns: when it is open, and what those who knock may take of the server.

Invariants: it is open only while somebody could join, that is, while a token is valid, and a little
longer for who did not get the answer; a connection has one call, a request is small and is not
read before there is a place for it; all who knock share one budget, and who does not say in time
what he wants goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from podraft.server.auth import tokens
from podraft.server.auth.tokens import MEMBER, NODE
from podraft.server.budgets.budget import Role
from podraft.server.rpc import errors
from podraft.server.rpc.admitting import Gate
from podraft.server.rpc.errors import Context
from podraft.server.rpc.serving import ListenError
from podraft.server.state.datastore import Datastore, StoreFailedError, StoreUnavailableError

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_LINGER_S: Final = 120.0
_GRACE_S: Final = 1.0
# A signing request with a token has two KiB, a server's addresses some more.
_REQUEST_BYTES_MAX: Final = 16 * 1024
_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _REQUEST_BYTES_MAX),
    ("grpc.max_metadata_size", 4 * 1024),
    ("grpc.absolute_max_metadata_size", 4 * 1024),
    ("grpc.max_concurrent_streams", 1),
    ("grpc.max_allowed_incoming_connections", 256),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.http2.settings_timeout", 5_000),
    ("grpc.max_connection_idle_ms", 5_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", _REQUEST_BYTES_MAX),
    ("grpc.server.max_pending_requests", 64),
    ("grpc.server.max_pending_requests_hard_limit", 128),
)


class JoinDoor:
    """Opens and closes the port; ``listen`` adds it to a server and returns its number."""

    def __init__(
        self,
        datastore: Datastore,
        handlers: grpc.GenericRpcHandler,
        listen: Callable[[grpc.aio.Server, int], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._datastore = datastore
        self._handlers = handlers
        self._listen = listen
        self._clock = clock
        self._server: grpc.aio.Server | None = None
        self._wanted_s = float("-inf")
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    @property
    def is_open(self) -> bool:
        """Whether somebody who knocks is heard."""
        return self._server is not None

    async def start(self) -> None:
        """Take the port, and keep it open while there is a token.

        Raises:
            ListenError: It is taken or the address is not this machine's.
        """
        # Found out now, and not when somebody wants to join.
        await self._open()
        await self._close()
        await self.look()
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self, grace_s: float) -> None:
        """Close it for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._close(grace_s)

    async def look(self) -> None:
        """Open or close the port, as the tokens are."""
        async with self._looking:
            if await self._somebody_may_join():
                self._wanted_s = self._clock()
            wanted = self._clock() - self._wanted_s < _LINGER_S
            if wanted and self._server is None:
                try:
                    await self._open()
                except ListenError as error:
                    _LOG.error("nobody can join: %s", error)
                else:
                    _LOG.info("the join port is open: there is a token")
            elif not wanted and self._server is not None:
                await self._close()
                _LOG.info("the join port is closed: there is no token")

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.look()
            except (StoreFailedError, StoreUnavailableError):
                continue
            except Exception:  # noqa: BLE001 - Whatever it was, the next look is as good as any.
                _LOG.exception("the join port could not be looked after")

    async def _somebody_may_join(self) -> bool:
        now_s = time.time()
        for kind in (NODE, MEMBER):
            for record in (await self._datastore.range(kind.key_prefix)).records:
                facts = tokens.facts_of(record.key, record.value, kind)
                if facts.uses_left and now_s < facts.expires_at_s:
                    return True
        return False

    async def _open(self) -> None:
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self._handlers,))
        self.port = self._listen(server, self.port)
        await server.start()
        self._server = server

    async def _close(self, grace_s: float = _GRACE_S) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace_s)


def knocking(gate: Gate, handlers: dict[str, Any]) -> dict[str, Any]:
    """Return the handlers of one request and answer, within the budget of all who knock."""
    holder = gate.budgets.holder(Role.STRANGERS, "whoever wants to join")

    def admitted(handler: Any) -> Any:
        async def handle(_: object, context: Context) -> bytes:
            try:
                call = gate.enter(context, holder)
                received = await call.receive()
                await call.charge()
            except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
                refusal = errors.translate(error)
                if refusal.retry_s is not None:
                    await gate.pause(context)
                await errors.abort(context, refusal)
            answer: bytes = await handler.unary_unary(received, context)
            return answer

        return grpc.stream_unary_rpc_method_handler(handle)

    return {method: admitted(handler) for method, handler in handlers.items()}


def then(handler: Any, act: Callable[[], Awaitable[None]]) -> Any:
    """Return a handler that does ``act`` before it answers that it went well."""

    async def handle(requests: object, context: Context) -> bytes:
        answer: bytes = await handler.stream_unary(requests, context)
        await act()
        return answer

    return grpc.stream_unary_rpc_method_handler(handle)
