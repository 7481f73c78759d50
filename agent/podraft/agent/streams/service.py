"""``NodeAgentService``: logs, exec and ports for the API server.

Invariant: only an API server gets an answer: its certificate is signed by the servers' authority
and names it as the API server. Everybody else, other nodes and administrators included, is refused
before anything is looked up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple, Protocol

import grpc
from cryptography import x509
from cryptography.x509.oid import NameOID

from podraft.agent.commands.container_command import CommandError, RunningContainer
from podraft.agent.streams import exec_session, log_reader, port_session
from podraft.agent.streams.log_reader import LogQuery
from podraft.api import times
from podraft.api.core.v1 import pod_streams_pb2
from podraft.client.serving.incoming import Anyone, Connections
from podraft.client.serving.strangers import StrangerLimits
from podraft.internal.node.v1 import node_agent_pb2_grpc

API_SERVER = "system:apiserver"
# Each command has a small process beside it.
_COMMANDS_MAX = 64
_FORWARDED_MAX = 128
# The port can be reached from everywhere, even from containers: a silent client must take neither
# the descriptors that pods are started with nor the place of an API server.
_CONNECTIONS_MAX = 1_024
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1 << 20),
    ("grpc.max_allowed_incoming_connections", _CONNECTIONS_MAX),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.http2.settings_timeout", 5_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.server.max_pending_requests", 256),
    ("grpc.server.max_pending_requests_hard_limit", 512),
)


class ContainerLogs(NamedTuple):
    """The location of an attempt's log, and whether it is still being written."""

    path: Path
    alive: Callable[[], bool]


class Containers(Protocol):
    """The questions that the service asks about the pods of this node."""

    def logs(self, namespace: str, pod: str, container: str, *, previous: bool) -> ContainerLogs:
        """Return the log of a container.

        Raises:
            UnknownContainerError: There is no such pod or container.
        """

    def running(self, namespace: str, pod: str, container: str) -> RunningContainer:
        """Return a running container.

        Raises:
            UnknownContainerError: There is no such pod or container, or it does not run.
        """

    async def connect(self, namespace: str, pod: str, port: int) -> socket:
        """Return a connection to a port on the pod's own loopback address.

        Raises:
            UnknownContainerError: There is no such pod, or it has no network yet.
            OSError: Nothing in the pod accepts the connection.
        """


class UnknownContainerError(Exception):
    """There is no such pod or container on this node, or it is not in the state asked for."""


class NodeAgentService(node_agent_pb2_grpc.NodeAgentServiceServicer):
    """The service of logs and exec."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._commands = 0
        self._forwarded = 0
        self.connections = Connections(StrangerLimits.of(_CONNECTIONS_MAX))
        self._servers = Anyone()

    async def StreamLogs(  # noqa: N802 - the contract's name
        self, request: pod_streams_pb2.StreamPodLogsRequest, context: Any
    ) -> AsyncIterator[pod_streams_pb2.StreamPodLogsResponse]:
        """Stream a container's log."""
        await self._authorize(context)
        try:
            found = self._containers.logs(
                request.namespace, request.name, request.container, previous=request.previous
            )
        except UnknownContainerError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            return
        since = request.since_time
        query = LogQuery(
            follow=request.follow,
            tail_lines=request.tail_lines if request.HasField("tail_lines") else None,
            since_s=times.seconds_of(since) if request.HasField("since_time") else 0.0,
            timestamps=request.timestamps,
            limit_bytes=request.limit_bytes if request.HasField("limit_bytes") else None,
        )
        async for data in log_reader.read(found.path, query, found.alive):
            yield pod_streams_pb2.StreamPodLogsResponse(data=data)

    async def Exec(  # noqa: N802 - the contract's name
        self, request_iterator: AsyncIterator[pod_streams_pb2.ExecPodRequest], context: Any
    ) -> AsyncIterator[pod_streams_pb2.ExecPodResponse]:
        """Run a command in a container."""
        await self._authorize(context)
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None or first.WhichOneof("input") != "start":
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "the first message of an exec must be its start"
            )
            return
        if self._commands >= _COMMANDS_MAX:
            text = f"{_COMMANDS_MAX} commands run on this node already; try again later"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            return
        start = first.start
        self._commands += 1
        try:
            container = self._containers.running(start.namespace, start.name, start.container)
            async for response in exec_session.run(container, start, requests):
                yield response
        except UnknownContainerError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except CommandError as error:
            code = grpc.StatusCode.FAILED_PRECONDITION
            await context.abort(code, f"cannot run the command: {error}")
        except OSError as error:
            text = f"the node cannot start the command now: {error.strerror}"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        finally:
            self._commands -= 1

    async def ForwardPort(  # noqa: N802 - the contract's name
        self,
        request_iterator: AsyncIterator[pod_streams_pb2.ForwardPodPortRequest],
        context: Any,
    ) -> AsyncIterator[pod_streams_pb2.ForwardPodPortResponse]:
        """Connect to a port of a pod."""
        await self._authorize(context)
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None or first.WhichOneof("input") != "start":
            text = "the first message of a forwarded port must be its start"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
            return
        if self._forwarded >= _FORWARDED_MAX:
            text = f"{_FORWARDED_MAX} connections are forwarded on this node already"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            return
        start = first.start
        self._forwarded += 1
        try:
            found = await self._containers.connect(start.namespace, start.name, start.port)
            async for response in port_session.run(found, requests):
                yield response
        except UnknownContainerError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except OSError as error:
            text = f"port {start.port} of the pod: {error.strerror or error}"
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, text)
        finally:
            self._forwarded -= 1

    async def _authorize(self, context: Any) -> None:
        pem = context.auth_context().get("x509_pem_cert", [b""])[0]
        if not pem or not is_permitted(pem):
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED, "only the API server may ask an agent"
            )
        self.connections.recognize(context.peer(), self._servers)


def is_permitted(pem: bytes) -> bool:
    """Return whether a verified client certificate is the API server's."""
    try:
        subject = x509.load_pem_x509_certificate(pem).subject
    except ValueError:
        return False
    users = [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return users == [API_SERVER]


def make_server(
    service: NodeAgentService, certificate: bytes, key: bytes, authority: bytes, address: str
) -> grpc.aio.Server:
    """Return a server that demands a client certificate of the cluster; the caller starts it.

    Raises:
        RuntimeError: The server cannot listen on the address.
    """
    credentials = grpc.ssl_server_credentials(
        [(key, certificate)], root_certificates=authority, require_client_auth=True
    )
    server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=256)
    node_agent_pb2_grpc.add_NodeAgentServiceServicer_to_server(service, server)
    server.add_secure_port(address, credentials)
    return server
