"""The registry of one server, put together.

Owns: how its parts are connected.  Every transport is given these parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api import kinds
from podraft.api.core.v1.namespace_pb2 import Namespace
from podraft.api.kinds import Registry
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import well_known
from podraft.server.auth.identity import API_SERVER, MASTERS, Identity
from podraft.server.auth.pki import Pki
from podraft.server.budgets.budget import Budgets
from podraft.server.kinds import rooms
from podraft.server.kinds.hooks import AddressRanges
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.access.live_rights import LiveRights
from podraft.server.registry.access.node_registry import NodeRegistry
from podraft.server.registry.access.recognizer import Recognizer
from podraft.server.registry.access.user_registry import UserRegistry
from podraft.server.registry.cache.caches import Caches
from podraft.server.registry.declared_kinds import DeclaredKinds
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.past.history import History
from podraft.server.registry.past.moments import Moments
from podraft.server.registry.past.past_reads import PastReads
from podraft.server.registry.past.secret_values import SecretHashes
from podraft.server.registry.reads.agents import Agents
from podraft.server.registry.reads.objects import ObjectReads
from podraft.server.registry.reads.reviews import Reviews
from podraft.server.registry.reads.scheduling_records import SchedulingRecords
from podraft.server.registry.reads.tables import Tables
from podraft.server.registry.reads.views import ViewReads
from podraft.server.registry.slices import Turns
from podraft.server.registry.writes import default_objects
from podraft.server.registry.writes.collections import Collections
from podraft.server.registry.writes.commits import Commits
from podraft.server.registry.writes.operations import Create
from podraft.server.registry.writes.writer import Writer
from podraft.server.startup.opened_store import OpenedStore


@dataclass(frozen=True, slots=True)
class RegistryParts:
    """The parts of the registry that transports translate to."""

    caches: Caches
    budgets: Budgets
    nodes: NodeRegistry
    users: UserRegistry
    recognizer: Recognizer
    live: LiveRights
    writer: Writer
    commits: Commits
    collections: Collections
    objects: ObjectReads
    reviews: Reviews
    tables: Tables
    views: ViewReads
    scheduling_records: SchedulingRecords
    agents: Agents
    history: History
    declared: DeclaredKinds


def put_together(
    store: OpenedStore, pki: Pki, known: Registry, addresses: AddressRanges
) -> RegistryParts:
    """Return the registry of the kinds that are ``known``, on a store."""
    rooms.load((*known, *known.answered()))
    datastore, turns = store.datastore, Turns()
    caches = Caches(known, datastore.revision)
    budgets, nodes = Budgets(), NodeRegistry(datastore)
    users, lookup = UserRegistry(datastore), caches.pods_by_node
    recognizer = Recognizer(lookup, pki.authority, nodes, users, budgets, caches.rights)
    live = LiveRights(recognizer.check)
    writer = Writer(datastore, caches, known, addresses, turns, store.applied_reads)
    hashes = SecretHashes(pki.authority.derived_key(b"podraft hashes of secret values"))
    tokens_key = pki.authority.derived_key(b"podraft continuation tokens of lists")
    past_reads = PastReads(datastore, store.past, caches, hashes, tokens_key, turns)
    objects = ObjectReads(datastore, store.stale_reads, caches, past_reads, live, turns, tokens_key)
    return RegistryParts(
        caches,
        budgets,
        nodes,
        users,
        recognizer,
        live,
        writer,
        Commits(writer, known, turns),
        Collections(datastore, caches, writer, turns),
        objects,
        Reviews(known, lookup),
        Tables(objects, known, turns),
        ViewReads(objects, turns),
        SchedulingRecords(datastore, past_reads),
        Agents(datastore, caches, nodes),
        History(Moments(datastore, store.past), hashes, turns, known),
        DeclaredKinds(known, datastore),
    )


async def start(parts: RegistryParts, store: OpenedStore) -> None:
    """Create what every cluster begins with, and follow the store."""
    await _ensure_namespaces(parts)
    await parts.nodes.start()
    await parts.users.start()
    parts.users.observers.append(parts.live.user_changed)
    parts.nodes.observers.append(parts.live.node_changed)
    parts.caches.pods_by_node.leavers.append(parts.live.pod_left)
    parts.caches.rights_observers.append(parts.live.rights_changed)
    parts.live.start()
    await default_objects.ensure(store.datastore, parts.writer, _itself(parts))
    await parts.caches.start(store.datastore)
    await parts.declared.start()


def _itself(parts: RegistryParts) -> Caller:
    """Return the server as a caller of its own."""
    identity = Identity(API_SERVER, frozenset({MASTERS}))
    return Caller(identity, parts.caches.pods_by_node)


async def _ensure_namespaces(parts: RegistryParts) -> None:
    """Create the namespaces that every cluster has, if they do not exist."""
    caller = _itself(parts)
    for name in well_known.OWN_NAMESPACES:
        namespace = Namespace(metadata=meta_pb2.ObjectMeta(name=name))
        try:
            await parts.writer.write((Create(kinds.NAMESPACE, namespace),), caller)
        except RefusedError as error:
            if error.code is not Code.ALREADY_EXISTS:
                raise
