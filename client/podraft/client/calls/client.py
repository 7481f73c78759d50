"""The typed client of podraft's API.

Owns: one connection to a cluster and the calls that belong to no single kind; the calls of
a kind are in `resources.ResourceClient`.  Invariant: every failure of a call is an
`errors.ApiError`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from google.protobuf.message import Message

from podraft.api import kinds
from podraft.api.cluster.v1 import backup_pb2, cluster_pb2, commit_pb2, table_pb2
from podraft.api.core.v1 import (
    pod_pb2,
    pod_streams_pb2,
    scheduling_pb2,
)
from podraft.api.kinds import AnyKind, Kind
from podraft.api.meta.v1 import requests_pb2
from podraft.client.calls.changes import ObjectHistory
from podraft.client.calls.diagnosis import DiagnosisClient
from podraft.client.calls.history import HistoryClient
from podraft.client.calls.members import MembersClient
from podraft.client.calls.pods import streams
from podraft.client.calls.pods.client import PodClient
from podraft.client.calls.request_ids import write_options
from podraft.client.calls.resources import ObjectList, ResourceClient
from podraft.client.calls.typed_resources import TypedResources
from podraft.client.calls.users import UsersClient
from podraft.client.calls.wire import WatchEvent
from podraft.client.connecting.config import ClusterConfig
from podraft.client.connecting.connection import LONG_ATTEMPT_S, Connection

if TYPE_CHECKING:
    from podraft.client.calls.declared import DeclaredClient

__all__ = ["Client", "ObjectList", "ResourceClient", "WatchEvent"]

ObjectT = TypeVar("ObjectT", bound=Message)
FormT = TypeVar("FormT")


class Client(TypedResources):
    """A connection to one cluster; use it as an asynchronous context manager.

    ``timeout_s`` bounds every call except streams.  Of several servers the first that answers is
    used; when it is lost, the next.  A client that lives for more than a few seconds learns from
    the servers which others there are, unless ``learn_servers`` restricts it to the configured
    ones.
    """

    def __init__(
        self, config: ClusterConfig, *, timeout_s: float = 30.0, learn_servers: bool = True
    ) -> None:
        self.config = config
        self._learn_servers = learn_servers
        self._timeout_s = timeout_s
        self._opened: Connection | None = None
        self._resources: dict[AnyKind, ResourceClient[Any]] = {}
        self._at = ""
        self._hash_secret_values = False
        self._allow_stale = False

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
        """Cancel running calls and close the connection; harmless when repeated."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
        self._resources.clear()

    @property
    def _connection(self) -> Connection:
        # Made late: a channel belongs to the event loop that runs when it is made.
        if self._opened is None:
            self._opened = Connection(
                self.config, self._timeout_s, learn_servers=self._learn_servers
            )
        return self._opened

    def resource(self, kind: Kind[ObjectT]) -> ResourceClient[ObjectT]:
        """Return the calls of one kind."""
        found = self._resources.get(kind)
        if found is None:
            found = self._resources[kind] = self._made(kind)
        return found

    def _made(self, kind: AnyKind) -> ResourceClient[Any]:
        made: type[ResourceClient[Any]] = PodClient if kind is kinds.POD else ResourceClient
        return made(
            kind,
            self._connection,
            at=self._at,
            hash_secret_values=self._hash_secret_values,
            allow_stale=self._allow_stale,
        )

    async def declared(self, name: str, form: type[FormT]) -> DeclaredClient[FormT]:
        """Return the calls of the kind that a definition declares: ``backups.shop.example.com``.

        Objects are instances of ``form``: ``dict``, or a dataclass whose fields are named as the
        schema names them; ``metadata`` is a mapping.

        Raises:
            NotFoundError: There is no such definition.
        """
        # Imported late: only callers that use it pay for it.
        from podraft.api.declared import kind_of
        from podraft.client.calls.declared import DeclaredClient

        definition = await self.custom_resource_definitions.get(name)
        return DeclaredClient(self._made(kind_of(definition)), form)

    @property
    def pods(self) -> PodClient:
        """The calls of pods."""
        return cast(PodClient, self.resource(kinds.POD))

    @property
    def history(self) -> HistoryClient:
        """The calls about the cluster's past."""
        return HistoryClient(self._connection)

    @property
    def diagnosis(self) -> DiagnosisClient:
        """The calls about the answering server's health."""
        return DiagnosisClient(self._connection)

    @property
    def members(self) -> MembersClient:
        """The calls about the servers that keep the state."""
        return MembersClient(self._connection)

    @property
    def users(self) -> UsersClient:
        """The calls about users."""
        return UsersClient(self._connection)

    def at(self, moment: str, *, hash_secret_values: bool = False) -> Client:
        """Return a view, on the same connection, whose gets and lists all show one moment.

        With ``hash_secret_values`` the values of Secrets are replaced by keyed hashes, which
        tell whether two values are equal.
        """
        view = Client(self.config, timeout_s=self._timeout_s)
        view._opened = self._connection
        view._at = moment
        view._hash_secret_values = hash_secret_values
        return view

    def stale(self) -> Client:
        """Return a view, on the same connection, whose gets and lists may be stale.

        The server answers at once from what it knows, even when it has lost the others.
        """
        view = Client(self.config, timeout_s=self._timeout_s)
        view._opened = self._connection
        view._allow_stale = True
        return view

    async def object_history(
        self,
        kind: Kind[ObjectT],
        name: str,
        namespace: str = "",
        *,
        limit: int = 0,
        before_revision: int = 0,
    ) -> ObjectHistory[ObjectT]:
        """Return an object's kept versions, newest first: when, by whom and what."""
        return await self.history.object_history(
            kind, name, namespace, limit=limit, before_revision=before_revision
        )

    async def commit(
        self,
        writes: Iterable[commit_pb2.Write],
        dry_run: bool = False,
        omit_objects: bool = False,
        field_manager: str = "",
    ) -> commit_pb2.CommitResponse:
        """Apply all writes in one transaction, or none.

        ``field_manager`` owns the written fields; a commit with a configuration to apply needs it.

        The response holds its revision and, unless ``omit_objects``, the objects as stored.

        Raises:
            ApiError: The error that the first failing write would have raised on its own; the
            violations' fields begin with ``writes[N]``.

        """
        request = commit_pb2.CommitRequest(
            writes=writes,
            options=write_options(dry_run=dry_run, field_manager=field_manager),
            omit_objects=omit_objects,
        )
        path = "/podraft.api.cluster.v1.CommitService/Commit"
        return await self._connection.write(path, request, commit_pb2.CommitResponse.FromString)

    async def table(
        self,
        kind: AnyKind,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        rows: table_pb2.TableRows = table_pb2.TABLE_ROWS_UNSPECIFIED,
    ) -> table_pb2.Table:
        """Return the objects of a kind that match as the table that the server makes of them.

        Raises:
            InvalidError: A selector is malformed.
            CompactedError: ``continue_token`` is too old.
        """
        request = table_pb2.ListTableRequest(
            api_version=kind.api_version, kind=kind.name, rows=rows
        )
        request.list.namespace, request.list.limit = namespace, limit
        request.list.label_selector = label_selector
        request.list.field_selector = field_selector
        request.list.continue_token = continue_token
        request.list.at, request.list.allow_stale = self._at, self._allow_stale
        path = "/podraft.api.cluster.v1.TableService/ListTable"
        return await self._connection.read(
            path, request, table_pb2.Table.FromString, attempt_s=LONG_ATTEMPT_S
        )

    @property
    def servers(self) -> tuple[str, ...]:
        """The known servers: the configured ones and those that they have named since."""
        return self._connection.servers

    def on_warning(self, tell: Callable[[str], None] | None) -> None:
        """Call ``tell`` with each warning that a server gives about a call that succeeded.

        Warnings are one line each, such as of a field that is stored but has no effect.
        """
        self._connection.on_warning = tell

    def on_servers(self, changed: Callable[[tuple[str, ...]], None]) -> None:
        """Call ``changed`` with the known servers whenever the cluster's list changes."""
        self._connection.on_servers = changed

    async def version(self) -> cluster_pb2.Version:
        """Return the server's version."""
        path = "/podraft.api.cluster.v1.ClusterService/GetVersion"
        request = cluster_pb2.GetVersionRequest()
        return await self._connection.read(path, request, cluster_pb2.Version.FromString)

    async def create_join_token(
        self, lifetime_s: int, *, uses: int = 1, node_name: str = ""
    ) -> cluster_pb2.JoinToken:
        """Return a secret with which ``uses`` nodes may join for ``lifetime_s`` seconds.

        With ``node_name`` only a node of that name may.
        """
        path = "/podraft.api.cluster.v1.ClusterService/CreateJoinToken"
        request = cluster_pb2.CreateJoinTokenRequest(
            lifetime_seconds=lifetime_s, uses=uses, node_name=node_name
        )
        return await self._connection.call(path, request, cluster_pb2.JoinToken.FromString)

    async def list_join_tokens(self) -> cluster_pb2.ListJoinTokensResponse:
        """Return the tokens that have not expired, without their secrets."""
        path = "/podraft.api.cluster.v1.ClusterService/ListJoinTokens"
        request = cluster_pb2.ListJoinTokensRequest()
        return await self._connection.read(
            path, request, cluster_pb2.ListJoinTokensResponse.FromString
        )

    async def delete_join_token(self, token_id: str) -> None:
        """Remove a token.

        Raises:
            NotFoundError: There is no token with this id.
        """
        path = "/podraft.api.cluster.v1.ClusterService/DeleteJoinToken"
        request = cluster_pb2.DeleteJoinTokenRequest(id=token_id)
        await self._connection.call(path, request, cluster_pb2.DeleteJoinTokenResponse.FromString)

    async def renew_certificate(
        self, certificate_signing_request: bytes
    ) -> cluster_pb2.Certificate:
        """Return a new certificate for the caller's own identity."""
        path = "/podraft.api.cluster.v1.ClusterService/RenewCertificate"
        request = cluster_pb2.RenewCertificateRequest(
            certificate_signing_request=certificate_signing_request
        )
        # A certificate that nobody receives does no harm.
        return await self._connection.write(path, request, cluster_pb2.Certificate.FromString)

    def backup_chunks(self) -> AsyncIterator[backup_pb2.BackupChunk]:
        """Yield the pieces of a backup file; `backups.backup` writes them to one."""
        path = "/podraft.api.cluster.v1.BackupService/Backup"
        request = backup_pb2.BackupRequest()
        return self._connection.stream(path, request, backup_pb2.BackupChunk.FromString)

    async def bind_pod(self, request: scheduling_pb2.BindPodRequest) -> pod_pb2.Pod:
        """Assign a pod to a node.

        Raises:
            NotFoundError: The pod does not exist.
            ConflictError: The pod has another uid or is bound already.

        """
        named = scheduling_pb2.BindPodRequest()
        named.CopyFrom(request)
        named.request_id = request.request_id or write_options().request_id
        return await self._connection.write(
            f"/{kinds.POD.service}/BindPod", named, pod_pb2.Pod.FromString
        )

    async def evict_pod(
        self,
        name: str,
        namespace: str,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        dry_run: bool = False,
    ) -> pod_pb2.Pod:
        """Delete a pod, if the disruption budget that covers it allows it now.

        Raises:
            NotFoundError: The pod does not exist.
            OverloadedError: The budget has nothing left now.
            FailedPreconditionError: Several budgets cover the pod.

        """
        return await self.pods.evict(
            name, namespace, grace_period_seconds=grace_period_seconds, uid=uid, dry_run=dry_run
        )

    async def scheduling_record(self, namespace: str, name: str) -> scheduling_pb2.SchedulingRecord:
        """Return the record of why a pod is on its node, or on none.

        Raises:
            NotFoundError: The pod does not exist, or there was no attempt to schedule it yet.

        """
        request = requests_pb2.GetRequest(namespace=namespace, name=name, at=self._at)
        path = f"/{kinds.POD.service}/GetPodSchedulingRecord"
        return await self._connection.read(
            path, request, scheduling_pb2.SchedulingRecord.FromString
        )

    def pod_logs(self, request: pod_streams_pb2.StreamPodLogsRequest) -> AsyncIterator[bytes]:
        """Yield a container's output as it arrives; closing the iterator ends the call.

        Raises (from the iterator):
            NotFoundError: The pod or the container does not exist.
            UnavailableError: The node's agent cannot be reached.
        """
        return streams.logs(self._connection, request)

    def exec_pod(
        self, requests: AsyncIterator[pod_streams_pb2.ExecPodRequest]
    ) -> AsyncIterator[pod_streams_pb2.ExecPodResponse]:
        """Run a command in a container; raise as `pod_logs` does.

        The first request starts the command, the last response is its exit code.
        """
        return streams.command(self._connection, requests)

    def forward_pod_port(
        self, requests: AsyncIterator[pod_streams_pb2.ForwardPodPortRequest]
    ) -> AsyncGenerator[pod_streams_pb2.ForwardPodPortResponse, None]:
        """Connect to a port of a pod; the first request says which, the first answer that it is so.

        Nothing should be sent before that answer: it could hide why there is none.

        Raises (from the iterator):
            NotFoundError: The pod does not exist.
            FailedPreconditionError: Nothing in the pod accepts the connection.
            UnavailableError: The node's agent cannot be reached.
        """
        return streams.port(self._connection, requests)
