"""The process that listens where machines join, and passes on their requests.

Owns: TLS, HTTP/2 and gRPC with callers without a certificate.  Invariants: the process has the
server's certificate with its key and nothing else of the cluster: no store, no token, no
authority's key; started by root, it becomes an unprivileged user as soon as it listens; an attack
on it costs others at most its own low share of a processor; a connection has one call, a request is
small and is not read before there is a place for it; all callers share one budget.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from podraft.client.serving import grpc_serving
from podraft.client.serving.serving_certificates import renewable_credentials
from podraft.internal.join.v1.join_port_pb2 import FromPort, ToPort
from podraft.server.budgets.budget import Holder, Role
from podraft.server.processes import children, logs
from podraft.server.registry.failures import translate
from podraft.server.rpc.calls import statuses
from podraft.server.rpc.calls.admitting import Gate
from podraft.server.rpc.calls.statuses import Context
from podraft.server.rpc.joining import link
from podraft.server.rpc.joining.link import Link

_LOG = logging.getLogger(__name__)

_NICE: Final = 10
_NOBODY: Final = 65_534
_DESCRIPTORS: Final = 1_024
_GRACE_S: Final = 1.0
# A signing request with a token takes two KiB, a server's addresses some more.
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
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class JoinPort:
    """The port, served while the API server is at the other end of ``api``."""

    def __init__(self, api: Link) -> None:
        self._api = api
        self._certificate = ToPort.Certificate()
        self._asked: dict[int, asyncio.Future[ToPort.Answer]] = {}
        self._last_id = 0
        self._gate = Gate()
        self._holder: Holder = self._gate.budgets.holder(Role.STRANGERS, "whoever wants to join")

    async def run(self, address: str) -> None:
        """Listen until the API server closes the link.

        Raises:
            OSError: The address is taken or not this machine's.
            LinkError: The API server sends an invalid message.
        """
        said = await self._api.read(ToPort)
        if said is None:
            return
        self._certificate = said.certificate
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((_Methods(self),))
        try:
            port = server.add_secure_port(address, self._credentials())
        except RuntimeError:
            raise OSError(f"cannot listen on {address}") from None
        _become_nobody()
        await server.start()
        self._gate.connections.start((port,))
        self._api.write(FromPort(open=FromPort.Open()))
        try:
            while (said := await self._api.read(ToPort)) is not None:
                self._take(said)
        finally:
            await self._gate.connections.stop()
            await server.stop(_GRACE_S)

    def _take(self, said: ToPort) -> None:
        if said.HasField("certificate"):
            self._certificate = said.certificate
            return
        waiting = self._asked.pop(said.answer.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(said.answer)

    def _credentials(self) -> grpc.ServerCredentials:
        return renewable_credentials(lambda: self._certificate, _configuration, mutual=False)

    async def handle(self, method: str, context: Context) -> bytes:
        """Answer a call as the API server answers it."""
        try:
            call = self._gate.enter(context, self._holder)
            request = await call.receive()
            await call.charge()
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            refusal = translate(error)
            if refusal.retry_s is not None:
                await self._gate.pause(context)
            await statuses.abort(context, refusal)
        answer = await self._ask(context.peer(), method, request)
        if answer.code:
            await statuses.abort_as(
                context,
                _CODES.get(answer.code, grpc.StatusCode.UNKNOWN),
                answer.message,
                answer.details,
            )
        return answer.response

    async def _ask(self, peer: str, method: str, request: bytes) -> ToPort.Answer:
        self._last_id += 1
        number = self._last_id
        waiting = asyncio.get_running_loop().create_future()
        self._asked[number] = waiting
        knock = FromPort.Knock(id=number, peer=peer, method=method, request=request)
        try:
            self._api.write(FromPort(knock=knock))
            answer: ToPort.Answer = await waiting
        finally:
            self._asked.pop(number, None)
        return answer


class _Methods(grpc.GenericRpcHandler):
    """The two methods of the port."""

    def __init__(self, port: JoinPort) -> None:
        def handler(method: str) -> Any:
            async def handle(_: object, context: Context) -> bytes:
                return await port.handle(method, context)

            # Clients see a unary method; as a stream, its message is read when there is a place.
            return grpc.stream_unary_rpc_method_handler(handle)

        self._handlers = {method: handler(method) for method in (link.JOIN_NODE, link.JOIN_MEMBER)}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Return the handler of a call; None if there is no such method."""
        return self._handlers.get(str(handler_call_details.method))


def _configuration(certificate: ToPort.Certificate) -> grpc.ServerCertificateConfiguration:
    pair = (certificate.key, certificate.chain)
    shown: grpc.ServerCertificateConfiguration = grpc.ssl_server_certificate_configuration([pair])
    return shown


def _become_nobody() -> None:
    """Give up the rights of root; a process of another user keeps what it has."""
    os.chdir("/")
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError as error:
        # A root that has lost this right, as in some containers, has few others.
        _LOG.warning("the process of the join port stays root: %s", error.strerror)


async def _run(descriptor: int, address: str) -> None:
    # Only modules that are imported already: an unprivileged user may be unable to read more.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    await JoinPort(Link(reader, writer)).run(address)


def main() -> None:
    """Run the process; started by the API server only."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--log-level", required=True)
    given = parser.parse_args()
    children.follow_parent(given.descriptor)
    os.nice(_NICE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    grpc_serving.prepare()
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logs.configure("join-port", given.log_level)
    try:
        asyncio.run(_run(given.descriptor, given.listen))
    except OSError as error:
        _LOG.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
