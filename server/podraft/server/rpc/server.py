"""The API's gRPC port.

Owns: gRPC's options, the list of methods, and what the health service says.  Invariant: on
stop, calls in flight get a bounded time to end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection

from podraft.api.limits import REQUEST_BYTES_MAX
from podraft.client.serving.incoming import connections_max, descriptor_limit
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods, MethodTable
from podraft.server.rpc.services.standard import standard_methods, within_budgets
from podraft.server.rpc.serving import ListenError, ServingCertificate

_HEALTH_EVERY_S: Final = 1.0
OPTIONS: Final = (
    # Two servers that share one port would each get some of the connections.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
    # A list without a limit is as large as the objects in it.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 4_096),
    # A connection has a bounded time for its handshake, for HTTP/2's settings, and without calls.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
    # The bytes that a stream may send before they are read, and the calls that may wait to be seen.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.server.max_pending_requests", 4_000),
    ("grpc.server.max_pending_requests_hard_limit", 8_000),
    # Agents and informers keep idle watches alive with pings, which are welcome.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class GrpcServer:
    """The server of ``methods``, and of those of kinds that are ``declared``.

    ``unready`` returns why it should get no calls, or nothing.
    """

    def __init__(
        self,
        methods: Methods,
        declared: Methods,
        callers: Callers,
        serving: ServingCertificate,
        unready: Callable[[], str],
    ) -> None:
        self._callers = callers
        self._serving = serving
        self._unready = unready
        self._health = health.aio.HealthServicer()
        standard = standard_methods(self._health, _service_names(methods))
        table = MethodTable(methods | within_budgets(callers, standard), declared, callers)
        bound = (("grpc.max_allowed_incoming_connections", connections_max(descriptor_limit())),)
        self._server = grpc.aio.server(options=(*OPTIONS, *bound))
        self._server.add_generic_rpc_handlers((table,))
        self._telling: asyncio.Task[None] | None = None
        self.port = 0

    def listen(self, address: str) -> None:
        """Take the port, without answering calls yet.

        Raises:
            ListenError: The port is taken or the address is not this machine's.
        """
        try:
            port = self._server.add_secure_port(address, self._serving.credentials())
        except RuntimeError:
            port = 0
        if not port:
            raise ListenError(
                f"cannot listen on {address}: the port is taken or the address is not this "
                "machine's"
            )
        self.port = port

    async def start(self) -> None:
        """Begin to answer calls."""
        await self._server.start()
        self._callers.gate.connections.start((self.port,))
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._telling = asyncio.create_task(self._tell_health())

    async def refuse_new_calls(self) -> None:
        """Tell clients that calls should go elsewhere, and stop looking after connections."""
        if self._telling is not None:
            self._telling.cancel()
        await self._health.enter_graceful_shutdown()
        await self._callers.gate.connections.stop()

    async def stop(self, grace_s: float) -> None:
        """Stop, after giving calls in flight ``grace_s`` seconds."""
        await self._server.stop(grace_s)

    async def _tell_health(self) -> None:
        """Update the health service from ``unready``."""
        status = health_pb2.HealthCheckResponse
        while True:
            await asyncio.sleep(_HEALTH_EVERY_S)
            told = status.NOT_SERVING if self._unready() else status.SERVING
            await self._health.set("", told)


def _service_names(methods: Methods) -> tuple[str, ...]:
    """Return the names of the services that reflection lists."""
    own = dict.fromkeys(method.split("/")[1] for method in methods)
    return (*own, health.SERVICE_NAME, reflection.SERVICE_NAME)
