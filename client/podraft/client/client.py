"""The typed client of podraft's API.

Owns: the connection (mutual TLS, keepalive, fail-over between servers), deadlines and
the retries of reads.  Invariants: a write is sent at most once; every failure of a call
is an `errors.ApiError`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.cluster.v1 import cluster_pb2, commit_pb2
from podraft.api.coordination.v1 import lease_pb2
from podraft.api.core.v1 import (
    config_pb2,
    namespace_pb2,
    node_pb2,
    pod_pb2,
    pod_streams_pb2,
    scheduling_pb2,
    service_pb2,
)
from podraft.api.discovery.v1 import endpoint_slice_pb2
from podraft.api.events.v1 import event_pb2
from podraft.api.kinds import AnyKind, Kind
from podraft.api.meta.v1 import requests_pb2
from podraft.client import writes as requests
from podraft.client.config import ClusterConfig
from podraft.client.errors import UnavailableError, from_rpc_error
from podraft.client.wire import WatchBatch, WatchEvent, watch_decoder

__all__ = ["Client", "ObjectList", "ResourceClient", "WatchEvent"]

ObjectT = TypeVar("ObjectT", bound=Message)
ResponseT = TypeVar("ResponseT")

_READ_ATTEMPTS_MAX = 4
_READ_PAUSE_S = 0.1
_MESSAGE_BYTES_MAX = 256 << 20
_CHANNEL_OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    # A cluster's addresses are reached directly, whatever the environment says of proxies.
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[ObjectT]):
    """Objects at one revision; ``continue_token`` is empty when it was the last page."""

    items: Sequence[ObjectT]
    resource_version: str
    continue_token: str


class Connection:
    """One gRPC channel and the rules of calling through it."""

    def __init__(self, config: ClusterConfig, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[Any, Any]] = {}
        credentials = grpc.ssl_channel_credentials(
            config.certificate_authority, config.client_key, config.client_certificate
        )
        name = ("grpc.ssl_target_name_override", config.server_name)
        self.channel = grpc.aio.secure_channel(
            _target(config.servers), credentials, options=(*_CHANNEL_OPTIONS, name)
        )

    async def call(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> ResponseT:
        """Call once.

        Raises:
            ApiError: Whatever the server or the transport refused.

        """
        method = self._methods.get(path)
        if method is None:
            # The bytes are decoded by the caller of the stub: one path always has one type.
            method = self.channel.unary_unary(path, _encode, decode)
            self._methods[path] = method
        try:
            return cast(ResponseT, await method(request, timeout=self._timeout_s))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def read(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> ResponseT:
        """Call a method without side effects, again if no server could be reached."""
        for attempt in range(1, _READ_ATTEMPTS_MAX):
            try:
                return await self.call(path, request, decode)
            except UnavailableError as error:
                if error.code is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(_READ_PAUSE_S * 2**attempt * random.uniform(0.5, 1.0))
        return await self.call(path, request, decode)

    async def stream(
        self, path: str, request: Message, decode: Callable[[bytes], ResponseT]
    ) -> AsyncIterator[ResponseT]:
        """Yield the responses of one streaming call; closing the iterator cancels it."""
        call = self.channel.unary_stream(path, _encode, decode)(request)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()


class ResourceClient(Generic[ObjectT]):
    """The calls of one kind.

    ``namespace`` is empty for kinds without one, and in `list` and `watch` for all
    namespaces; no namespace is ever assumed.  Every method raises `errors.ApiError`
    or one of its subclasses; what callers usually handle is named at each.
    """

    def __init__(self, kind: Kind[ObjectT], connection: Connection) -> None:
        self.kind = kind
        self._connection = connection

    async def create(self, obj: ObjectT, *, dry_run: bool = False) -> ObjectT:
        """Create ``obj`` and return it as stored.

        Raises:
            AlreadyExistsError: An object of this name is there.
            InvalidError: ``obj`` is malformed.

        """
        request = self.kind.create_request(**self._body(obj, dry_run))
        return await self._connection.call(self.kind.method("Create"), request, self._decode)

    async def get(self, name: str, namespace: str = "") -> ObjectT:
        """Return one object.

        Raises:
            NotFoundError: It is not there.

        """
        request = requests_pb2.GetRequest(namespace=namespace, name=name)
        return await self._connection.read(self.kind.method("Get"), request, self._decode)

    async def list(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ObjectList[ObjectT]:
        """Return the objects that match, all of one revision.

        Raises:
            InvalidError: A selector is malformed.
            CompactedError: ``continue_token`` is too old: list from the beginning.

        """
        request = requests_pb2.ListRequest(
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
            continue_token=continue_token,
        )
        decode = cast("Callable[[bytes], Any]", self.kind.list_message.FromString)
        answer = await self._connection.read(self.kind.method("List"), request, decode)
        metadata = answer.metadata
        return ObjectList(answer.items, metadata.resource_version, metadata.continue_token)

    def watch(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
    ) -> AsyncIterator[WatchBatch[ObjectT]]:
        """Yield changes after ``resource_version``, in order, in batches, until it fails.

        Without a ``resource_version`` all present objects come first, as additions, and
        then a bookmark.  The stream has no deadline; closing the iterator ends it.

        Raises (from the iterator):
            CompactedError: Changes after ``resource_version`` are forgotten.
            UnavailableError: The connection is lost; resume from the last revision seen.
        """
        request = requests_pb2.WatchRequest(
            namespace=namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            resource_version=resource_version,
        )
        path = self.kind.method("Watch")
        return self._connection.stream(path, request, watch_decoder(self.kind))

    async def update(self, obj: ObjectT, *, dry_run: bool = False) -> ObjectT:
        """Replace an object but for its status.

        Raises:
            NotFoundError: It is not there.
            ConflictError: ``metadata.resource_version`` is set and not the stored one.
            InvalidError: ``obj`` is malformed.

        """
        request = self.kind.update_request(**self._body(obj, dry_run))
        return await self._connection.call(self.kind.method("Update"), request, self._decode)

    async def update_status(self, obj: ObjectT, *, dry_run: bool = False) -> ObjectT:
        """Replace only an object's status; raises as `update` does."""
        request = self.kind.update_request(**self._body(obj, dry_run))
        return await self._connection.call(self.kind.method("UpdateStatus"), request, self._decode)

    async def patch(
        self,
        name: str,
        merge_patch: Mapping[str, Any] | bytes,
        namespace: str = "",
        *,
        subresource: str = "",
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> ObjectT:
        """Apply a JSON merge patch (RFC 7396) to the object, or to its ``status``.

        Raises:
            NotFoundError: It is not there.
            ConflictError: ``uid`` or ``resource_version`` is not the stored one.
            InvalidError: The patch, or what it makes of the object, is malformed.

        """
        request = requests.patch_request(
            name, merge_patch, namespace, subresource, uid, resource_version, dry_run=dry_run
        )
        return await self._connection.call(self.kind.method("Patch"), request, self._decode)

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        propagation: requests_pb2.PropagationPolicy | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> ObjectT:
        """Delete an object, or begin its graceful deletion; return it as it was last.

        Raises:
            NotFoundError: It is not there.
            ConflictError: ``uid`` or ``resource_version`` is not the stored one.

        """
        request = requests.delete_request(
            name,
            namespace,
            grace_period_seconds=grace_period_seconds,
            propagation=propagation,
            uid=uid,
            resource_version=resource_version,
            dry_run=dry_run,
        )
        return await self._connection.call(self.kind.method("Delete"), request, self._decode)

    def _decode(self, data: bytes) -> ObjectT:
        return self.kind.message.FromString(data)

    def _body(self, obj: ObjectT, dry_run: bool) -> dict[str, Any]:
        options = requests_pb2.WriteOptions(dry_run=True) if dry_run else None
        return {self.kind.field: obj, "options": options}


class Client:
    """A connection to one cluster; use it as an asynchronous context manager.

    ``timeout_s`` bounds every call but streams.
    """

    def __init__(self, config: ClusterConfig, *, timeout_s: float = 30.0) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._opened: Connection | None = None
        self._resources: dict[AnyKind, ResourceClient[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel what runs and close the connection; harmless when repeated."""
        if self._opened is not None:
            await self._opened.channel.close()
            self._opened = None
        self._resources.clear()

    @property
    def _connection(self) -> Connection:
        # Made late: a channel belongs to the event loop that runs when it is made.
        if self._opened is None:
            self._opened = Connection(self.config, self._timeout_s)
        return self._opened

    def resource(self, kind: Kind[ObjectT]) -> ResourceClient[ObjectT]:
        """Return the calls of one kind."""
        found = self._resources.get(kind)
        if found is None:
            found = self._resources[kind] = ResourceClient(kind, self._connection)
        return found

    @property
    def pods(self) -> ResourceClient[pod_pb2.Pod]:
        """The calls of pods."""
        return self.resource(kinds.POD)

    @property
    def nodes(self) -> ResourceClient[node_pb2.Node]:
        """The calls of nodes."""
        return self.resource(kinds.NODE)

    @property
    def namespaces(self) -> ResourceClient[namespace_pb2.Namespace]:
        """The calls of namespaces."""
        return self.resource(kinds.NAMESPACE)

    @property
    def services(self) -> ResourceClient[service_pb2.Service]:
        """The calls of services."""
        return self.resource(kinds.SERVICE)

    @property
    def config_maps(self) -> ResourceClient[config_pb2.ConfigMap]:
        """The calls of config maps."""
        return self.resource(kinds.CONFIG_MAP)

    @property
    def secrets(self) -> ResourceClient[config_pb2.Secret]:
        """The calls of secrets."""
        return self.resource(kinds.SECRET)

    @property
    def deployments(self) -> ResourceClient[deployment_pb2.Deployment]:
        """The calls of deployments."""
        return self.resource(kinds.DEPLOYMENT)

    @property
    def replica_sets(self) -> ResourceClient[replica_set_pb2.ReplicaSet]:
        """The calls of replica sets."""
        return self.resource(kinds.REPLICA_SET)

    @property
    def endpoint_slices(self) -> ResourceClient[endpoint_slice_pb2.EndpointSlice]:
        """The calls of endpoint slices."""
        return self.resource(kinds.ENDPOINT_SLICE)

    @property
    def leases(self) -> ResourceClient[lease_pb2.Lease]:
        """The calls of leases."""
        return self.resource(kinds.LEASE)

    @property
    def events(self) -> ResourceClient[event_pb2.Event]:
        """The calls of events."""
        return self.resource(kinds.EVENT)

    async def commit(
        self,
        writes: Iterable[commit_pb2.Write],
        dry_run: bool = False,
        omit_objects: bool = False,
    ) -> commit_pb2.CommitResponse:
        """Apply all writes in one transaction, or none.

        Returns its revision and, unless ``omit_objects``, the objects as stored.

        Raises:
            ApiError: As the first write that failed would have on its own; the
                violations' fields begin with ``writes[N]``.

        """
        request = commit_pb2.CommitRequest(
            writes=writes,
            options=requests_pb2.WriteOptions(dry_run=True) if dry_run else None,
            omit_objects=omit_objects,
        )
        path = "/podraft.api.cluster.v1.CommitService/Commit"
        return await self._connection.call(path, request, commit_pb2.CommitResponse.FromString)

    async def version(self) -> cluster_pb2.Version:
        """Return what the server says of itself."""
        path = "/podraft.api.cluster.v1.ClusterService/GetVersion"
        request = cluster_pb2.GetVersionRequest()
        return await self._connection.read(path, request, cluster_pb2.Version.FromString)

    async def create_join_token(self, lifetime_s: int) -> cluster_pb2.JoinToken:
        """Return a secret with which nodes may join for ``lifetime_s`` seconds."""
        path = "/podraft.api.cluster.v1.ClusterService/CreateJoinToken"
        request = cluster_pb2.CreateJoinTokenRequest(lifetime_seconds=lifetime_s)
        return await self._connection.call(path, request, cluster_pb2.JoinToken.FromString)

    async def renew_certificate(
        self, certificate_signing_request: bytes
    ) -> cluster_pb2.Certificate:
        """Return a new certificate for the caller's own identity."""
        path = "/podraft.api.cluster.v1.ClusterService/RenewCertificate"
        request = cluster_pb2.RenewCertificateRequest(
            certificate_signing_request=certificate_signing_request
        )
        return await self._connection.call(path, request, cluster_pb2.Certificate.FromString)

    async def bind_pod(self, request: scheduling_pb2.BindPodRequest) -> pod_pb2.Pod:
        """Assign a pod to a node.

        Raises:
            NotFoundError: The pod is not there.
            ConflictError: It has another uid or is bound already.

        """
        return await self._connection.call(
            f"/{kinds.POD.service}/BindPod", request, pod_pb2.Pod.FromString
        )

    async def scheduling_record(self, namespace: str, name: str) -> scheduling_pb2.SchedulingRecord:
        """Return why a pod is where it is, or why it is nowhere.

        Raises:
            NotFoundError: The pod is not there, or no attempt was made yet.

        """
        request = requests_pb2.GetRequest(namespace=namespace, name=name)
        path = f"/{kinds.POD.service}/GetPodSchedulingRecord"
        return await self._connection.read(
            path, request, scheduling_pb2.SchedulingRecord.FromString
        )

    async def pod_logs(self, request: pod_streams_pb2.StreamPodLogsRequest) -> AsyncIterator[bytes]:
        """Yield a container's output as it comes; closing the iterator ends it.

        Raises (from the iterator):
            NotFoundError: The pod or the container is not there.
            UnavailableError: The node's agent cannot be reached.
        """
        responses = self._connection.stream(
            f"/{kinds.POD.service}/StreamPodLogs",
            request,
            pod_streams_pb2.StreamPodLogsResponse.FromString,
        )
        async for response in responses:
            yield response.data

    async def exec_pod(
        self, requests: AsyncIterator[pod_streams_pb2.ExecPodRequest]
    ) -> AsyncIterator[pod_streams_pb2.ExecPodResponse]:
        """Run a command in a container; raises as `pod_logs` does.

        The first request starts the command, the last response is its exit code.
        """
        method = self._connection.channel.stream_stream(
            f"/{kinds.POD.service}/ExecPod",
            _encode,
            pod_streams_pb2.ExecPodResponse.FromString,
        )
        call = method(requests)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        finally:
            call.cancel()


def _encode(message: Message) -> bytes:
    return message.SerializeToString()


def _target(servers: Sequence[str]) -> str:
    """Return gRPC's name for the servers; it uses the first that answers.

    Raises:
        UnavailableError: One of several host names cannot be resolved.

    """
    if not servers:
        raise UnavailableError(grpc.StatusCode.UNAVAILABLE, "the configuration names no server")
    versions = {_ip_version(server) for server in servers}
    if versions == {4}:
        return "ipv4:" + ",".join(servers)
    if versions == {6}:
        return "ipv6:" + ",".join(servers)
    if len(servers) == 1:
        return f"dns:///{servers[0]}"
    return "ipv4:" + ",".join(address for server in servers for address in _resolved(server))


def _ip_version(server: str) -> int:
    try:
        return ipaddress.ip_address(server.rpartition(":")[0].strip("[]")).version
    except ValueError:
        return 0


def _resolved(server: str) -> list[str]:
    host, _, port = server.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise UnavailableError(grpc.StatusCode.UNAVAILABLE, f"{server}: {error}") from None
    return [f"{address[0]}:{port}" for *_, address in found]
