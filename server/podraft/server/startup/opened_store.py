"""An open store, in one shape whichever store it is.

Owns: the record, and how each store fills it.  Features that a store lacks are None there: callers
use what is there and never ask what a store is.

Invariant: everything in one record is of the same store, and ends with ``datastore.close``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podraft.server.replication.membership.group import StoreMode
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.replication.raft_member import RaftMember
from podraft.server.state.datastore import Datastore, StoreFailedError
from podraft.server.state.past import Past
from podraft.server.state.reads import AppliedReads, Reads
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.measurements import MeasuredStore

if TYPE_CHECKING:
    from podraft.server.external.etcd import EtcdDatastore


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """An open store and what it offers beyond reads, transactions and watches.

    ``failed`` returns the error that stopped the store, when that happens.
    ``past``: the history of changes.  ``applied_reads``: reads that ask no other member.
    ``measured``: what this server measures of the store that it keeps itself.
    ``member``: this server's part in the group that keeps the state.
    """

    datastore: Datastore
    cluster_id: bytes
    mode: StoreMode
    failed: Callable[[], Awaitable[StoreFailedError]]
    past: Past | None = None
    applied_reads: AppliedReads | None = None
    measured: MeasuredStore | None = None
    member: RaftMember | None = None

    @property
    def stale_reads(self) -> Reads:
        """Reads that ask no other member, and may be stale."""
        return self.applied_reads.applied if self.applied_reads else self.datastore


def of_embedded(store: EmbeddedDatastore) -> OpenedStore:
    """Return the record of the store of one data directory."""
    return OpenedStore(
        store, store.cluster_id, StoreMode.SINGLE, store.failed, past=store.past, measured=store
    )


def of_member(store: RaftDatastore) -> OpenedStore:
    """Return the record of a member of a group."""
    return OpenedStore(
        store,
        store.cluster_id,
        StoreMode.GROUP,
        store.failed,
        past=store.past,
        applied_reads=store,
        measured=store.member,
        member=store.member,
    )


def of_etcd(store: EtcdDatastore) -> OpenedStore:
    """Return the record of a store on etcd."""
    return OpenedStore(store, store.cluster_id, StoreMode.EXTERNAL, store.failed)
