"""The API server: the registry behind its ports.

Owns: the list of services, and the order of start and stop.  Invariant: nothing is served
before the caches follow the store.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from podraft.api.kinds import Registry
from podraft.api.views import VIEWS
from podraft.server.audit.audit_log import AuditLog
from podraft.server.auth.pki import Pki
from podraft.server.budgets.budget import Use
from podraft.server.diagnosis.diagnose import Patient
from podraft.server.diagnosis.disk_watch import DiskWatch
from podraft.server.encryption.key_encryption import KeyEncryption
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry.joining.failed_joins import FailedJoins
from podraft.server.registry.joining.group import LookAtGroup
from podraft.server.registry.joining.member_joins import MemberJoins
from podraft.server.registry.joining.node_joins import NodeJoins
from podraft.server.rpc.calls.admitting import Gate
from podraft.server.rpc.calls.auditing import Auditor
from podraft.server.rpc.calls.callers import Callers
from podraft.server.rpc.calls.methods import Methods
from podraft.server.rpc.joining import link
from podraft.server.rpc.joining.door import JoinDoor
from podraft.server.rpc.server import GrpcServer
from podraft.server.rpc.services.backups import BackupService
from podraft.server.rpc.services.cluster import ClusterFacts, ClusterService, commit_methods
from podraft.server.rpc.services.diagnosis import DiagnosisService
from podraft.server.rpc.services.history import history_methods
from podraft.server.rpc.services.kinds import (
    KindCalls,
    declared_methods,
    kind_methods,
    review_methods,
)
from podraft.server.rpc.services.members import MemberService
from podraft.server.rpc.services.pods import pod_methods
from podraft.server.rpc.services.relay import Relay
from podraft.server.rpc.services.tables import table_methods
from podraft.server.rpc.services.users import UserService
from podraft.server.rpc.services.views import view_methods
from podraft.server.rpc.serving import ServingCertificate
from podraft.server.startup import registry_parts
from podraft.server.startup.opened_store import OpenedStore
from podraft.server.store.measurements import StoreMeasurements


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The addresses at which the API is served, and the facts of the cluster."""

    known: Registry
    listen: str
    join_listen: str
    cluster_id: str
    version: str
    addresses: AddressRanges
    data_dir: Path
    keys: KeyEncryption
    look_at_group: LookAtGroup
    backup_refusal: str = ""
    audit: AuditLog | None = None
    more_certificates: Callable[[], Sequence[tuple[str, bytes]]] = tuple


class ApiServer:
    """The running API server."""

    def __init__(self, store: OpenedStore, pki: Pki, settings: ApiSettings) -> None:
        self._store = store
        self._pki = pki
        self._settings = settings
        self._facts = ClusterFacts(settings.version, settings.cluster_id, datetime.now(UTC))
        self._registry = registry_parts.put_together(store, pki, settings.known, settings.addresses)
        own = store.measured
        self._disk = DiskWatch(own, store.member) if own is not None else None
        self._serving = ServingCertificate(pki)
        gate = Gate(self._registry.budgets)
        self._auditor = Auditor(settings.audit)
        self._callers = Callers(self._registry.recognizer, self._registry.live, gate, self._auditor)
        self._relay = Relay(self._registry.agents, self._callers, pki)
        self._door = self._join_door()
        declared = declared_methods(settings.known, self._kind_calls())
        self._grpc = GrpcServer(
            self._methods(), declared, self._callers, self._serving, self.unready
        )

    async def start(self) -> None:
        """Begin to serve.

        Raises:
            ListenError: A port is taken or an address is not this machine's.
        """
        if self._auditor.log is not None:
            self._auditor.log.start()
        await registry_parts.start(self._registry, self._store)
        self._grpc.listen(self._settings.listen)
        await self._door.start()
        await self._grpc.start()

    async def stop(self, grace_s: float) -> None:
        """Stop: refuse new calls, end the watches, give calls in flight ``grace_s`` seconds."""
        if self._disk is not None:
            self._disk.stop()
        await self._grpc.refuse_new_calls()
        await self._registry.declared.stop()
        await self._registry.caches.close()
        await asyncio.gather(self._grpc.stop(grace_s), self._door.stop())
        await self._relay.close()
        await self._registry.nodes.stop()
        await self._registry.users.stop()
        self._registry.live.stop()
        if self._auditor.log is not None:
            await asyncio.to_thread(self._auditor.log.stop)

    @property
    def port(self) -> int:
        """The port at which the API is served."""
        return self._grpc.port

    @property
    def join_port(self) -> int:
        """The port at which machines join, while there is a token."""
        return self._door.port

    async def look_at_tokens(self) -> None:
        """Open the join port if a token was just created."""
        await self._door.look()

    def use(self, pki: Pki) -> None:
        """Show the certificates of ``pki`` from the next handshake on."""
        self._serving.use(pki)
        self._door.renew()
        self._relay.use(pki)

    # Measurements

    @property
    def revision(self) -> int:
        """The store's revision."""
        return self._store.datastore.revision

    @property
    def disk_slow(self) -> bool:
        """Whether the log's disk is too slow."""
        return self._disk is not None and self._disk.slow

    def unready(self) -> str:
        """Return why this server should get no calls now; empty if it should get them."""
        return self._store.measured.unready() if self._store.measured is not None else ""

    def measurements(self) -> StoreMeasurements | None:
        """Return the measurements of the store; None if it is an external one."""
        return self._store.measured.measurements() if self._store.measured is not None else None

    def watchers(self) -> dict[str, int]:
        """Return the number of watchers of each resource."""
        return self._registry.caches.watcher_counts()

    def budget_uses(self) -> list[Use]:
        """Return what callers have taken of their budgets, and what they were refused."""
        return self._registry.budgets.uses()

    # Services

    def _methods(self) -> Methods:
        registry, callers, settings = self._registry, self._callers, self._settings
        datastore, facts = self._store.datastore, self._facts
        methods = kind_methods(settings.known, self._kind_calls())
        methods |= pod_methods(registry.writer, registry.scheduling_records, self._relay, callers)
        methods |= view_methods(VIEWS, registry.views, registry.writer, callers)
        methods |= review_methods(settings.known, registry.reviews, callers)
        methods |= UserService(registry.users, self._pki.authority).methods(callers)
        methods |= commit_methods(registry.commits, callers)
        methods |= table_methods(registry.tables, callers)
        methods |= history_methods(registry.history, callers)
        cluster = ClusterService(datastore, self._pki.authority, facts, registry.nodes, self._door)
        methods |= cluster.methods(callers)
        backups = BackupService(datastore, facts.cluster_id, settings.keys, settings.backup_refusal)
        methods |= backups.methods(callers)
        return methods | self._diagnosis().methods(callers) | self._members().methods(callers)

    def _kind_calls(self) -> KindCalls:
        parts = self._registry
        return KindCalls(parts.objects, parts.writer, parts.collections, self._callers)

    def _diagnosis(self) -> DiagnosisService:
        facts, settings = self._facts, self._settings
        patient = Patient(
            settings.data_dir,
            facts.version,
            facts.started_at,
            self._store.measured,
            settings.more_certificates,
        )
        return DiagnosisService(patient, lambda: self.disk_slow, self.budget_uses)

    def _members(self) -> MemberService:
        member = self._store.member
        return MemberService(
            self._settings.look_at_group,
            self._facts.cluster_id,
            member.administration if member is not None else None,
            self._store.datastore,
            self._pki.authority,
            self._door,
        )

    def _join_door(self) -> JoinDoor:
        datastore, authority = self._store.datastore, self._pki.authority
        member, failed = self._store.member, FailedJoins()
        nodes = NodeJoins(datastore, authority, self._registry.nodes, failed)
        members = MemberJoins(
            datastore,
            authority,
            self._settings.look_at_group,
            member.administration if member is not None else None,
            uuid.UUID(self._facts.cluster_id).bytes,
            failed,
        )
        answers = {
            method: self._auditor.joining(method, answer)
            for method, answer in (
                (link.JOIN_NODE, nodes.answer),
                (link.JOIN_MEMBER, members.answer),
            )
        }
        listen, budgets = self._settings.join_listen, self._registry.budgets
        return JoinDoor(datastore, answers, self._serving, listen, budgets)
