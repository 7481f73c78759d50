"""Logs and exec: relayed between a caller and the agent of the pod's node.

Owns: the connections to agents and the streams through them.  Invariants: what an
agent answers is passed on message by message, so a slow caller slows the
container's output down instead of filling the server's memory; bytes are not
decoded on the way; a caller that leaves ends the agent's call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final

import grpc

from podraft.api import kinds
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.api.core.v1.pod_streams_pb2 import ExecPodRequest, StreamPodLogsRequest
from podraft.api.objects import nodes
from podraft.internal.node.v1 import node_agent_pb2
from podraft.server.auth.authorize import EXEC, LOG, Attributes
from podraft.server.auth.certificates import node_server_name
from podraft.server.auth.node_records import NodeRecord
from podraft.server.auth.pki import Pki
from podraft.server.budgets.budget import Resource
from podraft.server.registry import keys
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.reads import pages
from podraft.server.rpc.calls import statuses
from podraft.server.rpc.calls.admitting import Call
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.statuses import CODE_OF, Context
from podraft.server.rpc.services.kinds import parsed
from podraft.server.state.datastore import Datastore

_SERVICE: Final = node_agent_pb2.DESCRIPTOR.services_by_name["NodeAgentService"].full_name
_CONNECTIONS_MAX: Final = 256
_CONNECT_S_MAX: Final = 5.0
_MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
_START_S_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where a container is: its node's name, the agent's address, and how the agent is known.

    ``key`` is the fingerprint of the key that must answer; empty: not known.  ``older``: its
    certificate is from before nodes had names of their own.
    """

    container: str
    node: str
    address: str
    key: str = ""
    older: bool = False


class Relay:
    """Relays to the agents; keeps a bounded number of connections open."""

    def __init__(
        self,
        datastore: Datastore,
        caches: Caches,
        callers: Callers,
        pki: Pki,
        nodes: NodeRegistry,
    ) -> None:
        self._nodes = nodes
        self._datastore = datastore
        self._caches = caches
        self._callers = callers
        self._pki = pki
        # By the number of the certificate that they were made with, too: see ``use``.
        self._channels: dict[tuple[int, Target], grpc.aio.Channel] = {}
        self._certificates = 0

    async def close(self) -> None:
        """Close all connections."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    async def stream_logs(self, _: object, context: Context) -> None:
        """Handle ``StreamPodLogs``."""
        try:
            caller = self._callers.of(context)
            call = self._callers.gate.enter(context, caller.holder, Resource.STREAMS)
            request = parsed(StreamPodLogsRequest, await call.receive())
            self._callers.check(caller)
            attributes = Attributes("get", kinds.POD, request.namespace, request.name, LOG)
            caller(attributes)
            _check_logs(request)
            target = await self._find(request.namespace, request.name, request.container)
            request.container = target.container
            channel = await self._channel(target)
            method: Any = channel.unary_stream(f"/{_SERVICE}/StreamLogs")
            with self._callers.live.held(caller, attributes, target.node):
                await _pass_on(method(request.SerializeToString()), call, target)
        except statuses.CallerLeftError:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            await statuses.abort(context, error)

    async def exec(self, requests: AsyncIterator[bytes], context: Context) -> None:
        """Handle ``ExecPod``."""
        try:
            caller = self._callers.of(context)
            call = self._callers.gate.enter(context, caller.holder, Resource.STREAMS)
            first = await _first(call)
            await self._exec(first, requests, caller, call)
        except statuses.CallerLeftError:
            return
        except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a status
            await statuses.abort(context, error)

    async def _exec(
        self,
        first: ExecPodRequest,
        requests: AsyncIterator[bytes],
        caller: Caller,
        call: Call,
    ) -> None:
        start = first.start
        attributes = Attributes("create", kinds.POD, start.namespace, start.name, EXEC)
        self._callers.check(caller)
        caller(attributes)
        if not start.command:
            raise invalid("start.command", "is required")
        target = await self._find(start.namespace, start.name, start.container)
        start.container = target.container

        async def forwarded() -> AsyncIterator[bytes]:
            yield first.SerializeToString()
            async for request in requests:
                if parsed(ExecPodRequest, request).HasField("start"):
                    raise invalid("start", "is allowed in the first message only")
                yield request

        channel = await self._channel(target)
        method: Any = channel.stream_stream(f"/{_SERVICE}/Exec")
        with self._callers.live.held(caller, attributes, target.node):
            await _pass_on(method(forwarded()), call, target)

    async def _find(self, namespace: str, name: str, container: str) -> Target:
        """Return where a pod's container is.

        Raises:
            RefusedError: It is nowhere (yet), or the node has not said where its agent is.
        """
        record = await pages.get(self._datastore, kinds.POD, namespace, name)
        pod: Pod = self._caches.of(kinds.POD).objects.of(record)
        what = pages.described(kinds.POD, namespace, name)
        container = _container(pod, container, what)
        node_name = pod.spec.node_name
        if not node_name:
            raise RefusedError(Code.FAILED_PRECONDITION, f"{what} is not on a node yet")
        node_record = await self._datastore.get(keys.of_object(kinds.NODE, "", node_name))
        if node_record is None:
            raise RefusedError(
                Code.UNAVAILABLE, f'{what} is on node "{node_name}", which does not exist any more'
            )
        node: Node = self._caches.of(kinds.NODE).objects.of(node_record)
        known = self._nodes.record(node_name) or NodeRecord("")
        if known.removed_at_s:
            raise RefusedError(
                Code.UNAVAILABLE, f'{what} is on node "{node_name}", which was removed'
            )
        return Target(container, node_name, _agent_address(node), known.key, known.older)

    def use(self, pki: Pki) -> None:
        """Make new connections with the certificate of ``pki``; the old ones grow out of use."""
        if pki.clients["apiserver"] != self._pki.clients["apiserver"]:
            self._certificates += 1
        self._pki = pki

    async def _channel(self, target: Target) -> grpc.aio.Channel:
        """Return a connection to the target's agent.

        Raises:
            RefusedError: The agent cannot be reached.
        """
        key = (self._certificates, replace(target, container=""))
        channel = self._channels.pop(key, None)
        if channel is None:
            channel = self._connect(target)
        self._channels[key] = channel  # The least recently used one comes first.
        if len(self._channels) > _CONNECTIONS_MAX:
            await self._channels.pop(next(iter(self._channels))).close()
        try:
            await asyncio.wait_for(channel.channel_ready(), _CONNECT_S_MAX)
        except TimeoutError:
            if self._channels.get(key) is channel:
                await self._channels.pop(key).close()
            raise RefusedError(
                Code.UNAVAILABLE,
                f'the agent of node "{target.node}" at {target.address} cannot be reached',
            ) from None
        return channel

    def _connect(self, target: Target) -> grpc.aio.Channel:
        pair, authority = self._pki.clients["apiserver"], self._pki.authority
        name, trusted = node_server_name(target.node, target.key), authority.node_trust
        if target.older:
            name, trusted = target.node, authority.certificate
        credentials = grpc.ssl_channel_credentials(
            root_certificates=trusted,
            private_key=pair.key,
            certificate_chain=pair.certificate,
        )
        options = (
            ("grpc.ssl_target_name_override", name),
            ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
            ("grpc.enable_http_proxy", 0),
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.max_reconnect_backoff_ms", 2_000),
        )
        return grpc.aio.secure_channel(target.address, credentials, options=options)


async def _first(call: Call) -> ExecPodRequest:
    try:
        received = await asyncio.wait_for(call.receive(), _START_S_MAX)
        first: ExecPodRequest = parsed(ExecPodRequest, received)
    except TimeoutError:
        raise RefusedError(
            Code.DEADLINE_EXCEEDED, f"no first message came within {_START_S_MAX:.0f} s"
        ) from None
    if not first.HasField("start"):
        raise invalid("start", "is required as the first message")
    return first


async def _pass_on(answers: Any, call: Call, target: Target) -> None:
    """Send what the agent answers to the caller, as fast as the caller takes it."""
    try:
        async for response in answers:
            await call.send(response)
    except grpc.aio.AioRpcError as error:
        message = error.details() or error.code().name
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            message = f'the agent of node "{target.node}" at {target.address} was lost: {message}'
        raise RefusedError(CODE_OF[error.code()], message) from None
    finally:
        answers.cancel()


def _container(pod: Pod, wanted: str, what: str) -> str:
    """Return the container that a call means.

    Raises:
        RefusedError: There is no such container, or which is meant is not clear.
    """
    names = [container.name for container in pod.spec.containers]
    initial = [container.name for container in pod.spec.init_containers]
    if wanted:
        if wanted not in names and wanted not in initial:
            known = ", ".join((*names, *initial))
            raise RefusedError(
                Code.NOT_FOUND, f'{what} has no container "{wanted[:64]}"; it has: {known}'
            )
        return wanted
    if len(names) > 1:
        raise invalid("container", f"is required: {what} has {', '.join(names)}")
    return names[0]


def _agent_address(node: Node) -> str:
    name = node.metadata.name
    port = node.status.daemon_endpoints.kubelet_endpoint.port
    for address in nodes.addresses(node, nodes.INTERNAL_IP):
        if port:
            host = f"[{address}]" if ":" in address else address
            return f"{host}:{port}"
    raise RefusedError(
        Code.UNAVAILABLE, f'node "{name}" has not said yet where its agent can be reached'
    )


def _check_logs(request: StreamPodLogsRequest) -> None:
    if request.HasField("tail_lines") and request.tail_lines < 0:
        raise invalid("tailLines", "must not be negative")
    if request.HasField("limit_bytes") and request.limit_bytes <= 0:
        raise invalid("limitBytes", "must be positive")
