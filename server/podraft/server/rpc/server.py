"""The API server: services, caches and writer, put together behind two TLS ports.

Owns: gRPC's options, the order of start and stop, and what every cluster begins
with.  Invariant: nothing is served before the caches follow the store; on stop,
calls in flight get a bounded time to end.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection

from podraft.api import kinds
from podraft.api.cluster.v1 import (
    backup_pb2,
    cluster_pb2,
    commit_pb2,
    diagnosis_pb2,
    history_pb2,
    member_pb2,
)
from podraft.api.core.v1.namespace_pb2 import Namespace
from podraft.api.kinds import KnownKinds, Registry
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known
from podraft.client.serving.incoming import connections_max, descriptor_limit
from podraft.server.auth.identity import API_SERVER, MASTERS, Identity
from podraft.server.auth.pki import Pki
from podraft.server.budgets.budget import Use
from podraft.server.diagnosis.diagnose import Patient
from podraft.server.diagnosis.disk_watch import DiskWatch
from podraft.server.encryption.key_encryption import KeyEncryption
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.opened_store import OpenedStore
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.past.history import History
from podraft.server.registry.past.moments import Moments
from podraft.server.registry.past.past_reads import PastReads
from podraft.server.registry.past.secret_values import SecretHashes
from podraft.server.registry.reads.agents import Agents
from podraft.server.registry.reads.objects import ObjectReads
from podraft.server.registry.reads.scheduling_records import SchedulingRecords
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes.commits import Commits
from podraft.server.registry.writes.operations import Create
from podraft.server.registry.writes.writer import Writer
from podraft.server.replication.membership.group import GroupView, StoreMode, alone
from podraft.server.rpc.calls.admitting import Gate
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import MethodTable
from podraft.server.rpc.joining import link
from podraft.server.rpc.joining.door import JoinDoor, then
from podraft.server.rpc.joining.failed_joins import FailedJoins
from podraft.server.rpc.joining.member_joins import MemberJoins
from podraft.server.rpc.joining.node_joins import NodeJoins
from podraft.server.rpc.services.backups import BackupService
from podraft.server.rpc.services.cluster import ClusterFacts, ClusterService, commit_methods
from podraft.server.rpc.services.diagnosis import DiagnosisService
from podraft.server.rpc.services.history import history_methods
from podraft.server.rpc.services.kinds import kind_methods
from podraft.server.rpc.services.members import LookAtGroup, MemberService
from podraft.server.rpc.services.pods import pod_methods
from podraft.server.rpc.services.relay import Relay
from podraft.server.rpc.services.standard import standard_methods, within_budgets
from podraft.server.rpc.serving import ListenError, ServingCertificate
from podraft.server.store.measurements import StoreMeasurements

_LOG = logging.getLogger(__name__)

REQUEST_BYTES_MAX: Final = 8 * 1024 * 1024
_HEALTH_EVERY_S: Final = 1.0
OPTIONS: Final = (
    # Two servers on one port would each get some of the connections.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
    # A list without a limit is as large as what it lists.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_concurrent_streams", 4_096),
    # Without a handshake, without HTTP/2's settings, without calls: each has its time.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.settings_timeout", 10_000),
    ("grpc.max_connection_idle_ms", 600_000),
    # What a stream may send before somebody reads it, and how many calls may wait to be seen.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.server.max_pending_requests", 4_000),
    ("grpc.server.max_pending_requests_hard_limit", 8_000),
    # Agents and informers ping through idle watches; that is welcome.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)
# Whoever calls these has somebody who wants to join at once.
_GIVING_TOKENS: Final = (
    "/podraft.api.cluster.v1.ClusterService/CreateJoinToken",
    "/podraft.api.cluster.v1.MemberService/AddMember",
)


def _alone() -> GroupView:
    return alone("", (), StoreMode.SINGLE)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where the API is served, and what the cluster is."""

    known: Registry
    listen: str
    join_listen: str
    cluster_id: str
    version: str
    addresses: AddressRanges
    data_dir: Path
    keys: KeyEncryption
    backup_refusal: str = ""
    members: LookAtGroup = _alone
    more_certificates: Callable[[], Sequence[tuple[str, bytes]]] = tuple


class ApiServer:
    """The running API server."""

    def __init__(self, store: OpenedStore, pki: Pki, options: ApiOptions) -> None:
        self._store = store
        datastore = self._datastore = store.datastore
        self._pki = pki
        self._serving = ServingCertificate(pki)
        self._options = options
        self._known = options.known
        self._caches = Caches(self._known, datastore.revision)
        self._gate = Gate()
        self._nodes = NodeRegistry(datastore)
        self._callers = Callers(self._caches.pods_by_node, pki.authority, self._nodes, self._gate)
        turns = Turns()
        self._writer = Writer(
            datastore, self._caches, self._known, options.addresses, turns, store.applied_reads
        )
        self._commits = Commits(self._writer, self._known, turns)
        hashes = SecretHashes(pki.authority.derived_key(b"podraft hashes of secret values"))
        tokens_key = pki.authority.derived_key(b"podraft continuation tokens of lists")
        past_reads = PastReads(datastore, store.past, self._caches, hashes, tokens_key, turns)
        self._reads = ObjectReads(
            store, self._caches, past_reads, self._callers.live, turns, tokens_key
        )
        self._records = SchedulingRecords(datastore, past_reads)
        self._history = History(Moments(datastore, store.past), hashes, turns, self._known)
        self._relay = Relay(Agents(datastore, self._caches, self._nodes), self._callers, pki)
        bound = (("grpc.max_allowed_incoming_connections", _connections_max()),)
        self._api = grpc.aio.server(options=(*OPTIONS, *bound))
        self._health = health.aio.HealthServicer()
        self._telling: asyncio.Task[None] | None = None
        own = self._measured = store.measured
        self._disk = DiskWatch(own, store.member) if own is not None else None
        self.port = 0
        self._door: JoinDoor | None = None

    async def start(self) -> None:
        """Serve.

        Raises:
            ListenError: A port is taken or an address is not this machine's.
        """
        await self._ensure_namespaces()
        await self._nodes.start()
        live = self._callers.live
        self._nodes.observers.append(live.node_changed)
        self._caches.pods_by_node.leavers.append(live.pod_left)
        live.start()
        await self._caches.start(self._datastore)
        self._register()
        self.port = _listen(self._api, self._options.listen, self._serving.credentials())
        if self._door is not None:
            await self._door.start()
        await self._api.start()
        self._gate.connections.start((self.port,))
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)
        self._telling = asyncio.create_task(self._tell_health())

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, end the watches, give calls in flight ``grace_s`` seconds."""
        if self._telling is not None:
            self._telling.cancel()
        if self._disk is not None:
            self._disk.stop()
        await self._health.enter_graceful_shutdown()
        await self._gate.connections.stop()
        await self._caches.close()
        stopping = [self._api.stop(grace_s)]
        # A start that failed early has made no join port.
        if self._door is not None:
            stopping.append(self._door.stop())
        await asyncio.gather(*stopping)
        await self._relay.close()
        await self._nodes.stop()
        self._callers.live.stop()

    @property
    def join_port(self) -> int:
        """Where machines join, while there is a token."""
        return self._door.port if self._door is not None else 0

    def budget_uses(self) -> list[Use]:
        """Return what callers have taken, and what they were refused."""
        return self._gate.budgets.uses()

    async def look_at_tokens(self) -> None:
        """Let those in to whom a token was just given."""
        if self._door is not None:
            await self._door.look()

    def use(self, pki: Pki) -> None:
        """Show the certificates of ``pki`` from the next handshake on."""
        self._serving.use(pki)
        if self._door is not None:
            self._door.renew()
        self._relay.use(pki)

    @property
    def revision(self) -> int:
        """The store's revision."""
        return self._datastore.revision

    def unready(self) -> str:
        """Return why this server should get no calls now; empty: it should."""
        return self._measured.unready() if self._measured is not None else ""

    def measurements(self) -> StoreMeasurements | None:
        """Return what the store tells of itself; None if it is an external one."""
        return self._measured.measurements() if self._measured is not None else None

    @property
    def disk_slow(self) -> bool:
        """Whether the log's disk is too slow."""
        return self._disk is not None and self._disk.slow

    async def _tell_health(self) -> None:
        """Let the health service say what ``unready`` says."""
        status = health_pb2.HealthCheckResponse
        while True:
            await asyncio.sleep(_HEALTH_EVERY_S)
            told = status.NOT_SERVING if self.unready() else status.SERVING
            await self._health.set("", told)

    def watchers(self) -> dict[str, int]:
        """Return how many watch each resource."""
        return self._caches.watcher_counts()

    def _register(self) -> None:
        facts = ClusterFacts(self._options.version, self._options.cluster_id, datetime.now(UTC))
        authority = self._pki.authority
        methods = kind_methods(self._known, self._reads, self._writer, self._callers)
        methods |= pod_methods(self._writer, self._records, self._relay, self._callers)
        methods |= commit_methods(self._commits, self._callers)
        methods |= history_methods(self._history, self._callers)
        methods |= ClusterService(self._datastore, authority, facts, self._nodes).methods(
            self._callers
        )
        backups = BackupService(
            self._datastore, facts.cluster_id, self._options.keys, self._options.backup_refusal
        )
        methods |= backups.methods(self._callers)
        patient = Patient(
            self._options.data_dir,
            facts.version,
            facts.started_at,
            self._measured,
            self._options.more_certificates,
        )
        methods |= DiagnosisService(patient, lambda: self.disk_slow, self.budget_uses).methods(
            self._callers
        )
        member, look = self._store.member, self._options.members
        administration = member.administration if member is not None else None
        members = MemberService(
            look,
            facts.cluster_id,
            administration,
            self._datastore,
            authority,
            lambda: self.join_port,
        )
        methods |= members.methods(self._callers)
        standard = standard_methods(self._health, tuple(_service_names(self._known)))
        methods |= within_budgets(self._callers, standard)
        for method in _GIVING_TOKENS:
            methods[method] = then(methods[method], self.look_at_tokens)
        self._api.add_generic_rpc_handlers((MethodTable(methods, self._callers),))
        failed = FailedJoins()
        nodes = NodeJoins(self._datastore, authority, self._nodes, failed)
        cluster_id = uuid.UUID(facts.cluster_id).bytes
        servers = MemberJoins(self._datastore, authority, look, administration, cluster_id, failed)
        answers = {link.JOIN_NODE: nodes.answer, link.JOIN_MEMBER: servers.answer}
        self._door = JoinDoor(
            self._datastore,
            answers,
            self._serving,
            self._options.join_listen,
            self._gate.budgets,
        )

    async def _ensure_namespaces(self) -> None:
        """Create the namespaces that every cluster has, if they are not there."""
        caller = Caller(Identity(API_SERVER, frozenset({MASTERS})), self._caches.pods_by_node)
        for name in well_known.OWN_NAMESPACES:
            namespace = Namespace(metadata=meta_pb2.ObjectMeta(name=name))
            try:
                await self._writer.write((Create(kinds.NAMESPACE, namespace),), caller)
            except RefusedError as error:
                if error.code is not Code.ALREADY_EXISTS:
                    raise


def _connections_max() -> int:
    return connections_max(descriptor_limit())


def _listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials) -> int:
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError:
        port = 0
    if not port:
        raise ListenError(
            f"cannot listen on {address}: the port is taken or the address is not this machine's"
        )
    return port


def _service_names(known: KnownKinds) -> Sequence[str]:
    commit = commit_pb2.DESCRIPTOR.services_by_name["CommitService"].full_name
    cluster = cluster_pb2.DESCRIPTOR.services_by_name["ClusterService"].full_name
    backup = backup_pb2.DESCRIPTOR.services_by_name["BackupService"].full_name
    history = history_pb2.DESCRIPTOR.services_by_name["HistoryService"].full_name
    member = member_pb2.DESCRIPTOR.services_by_name["MemberService"].full_name
    diagnosis = diagnosis_pb2.DESCRIPTOR.services_by_name["DiagnosisService"].full_name
    own = (commit, cluster, member, history, backup, diagnosis)
    names = [kind.service for kind in known if not kind.custom]
    return (*names, *own, health.SERVICE_NAME, reflection.SERVICE_NAME)
