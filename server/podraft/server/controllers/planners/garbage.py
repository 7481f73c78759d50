"""The garbage collector's decisions: what nobody owns any more goes.

Owns: what follows from the end of an owner: deleting its dependents (background), waiting
for them first (foreground), or releasing them (orphan).

Invariants: an object with an owner that exists is never deleted; that an owner does not
exist is checked against the API server before anything is deleted for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import KINDS, AnyKind, by_manifest, of
from podraft.api.meta.v1 import meta_pb2, requests_pb2
from podraft.client import writes
from podraft.server.controllers import objects
from podraft.server.controllers.plan import BY_OWNER, Absent, Plan, Snapshot

WRITES_MAX = 500
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class OwnerKey(NamedTuple):
    """An object that others name as their owner, whether it exists or not."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


def owners_of(kind: AnyKind, metadata: meta_pb2.ObjectMeta) -> Iterator[OwnerKey]:
    """Yield the keys of the owners that an object names."""
    for reference in metadata.owner_references:
        owner = by_manifest(reference.api_version, reference.kind)
        if owner is not None and (kind.namespaced or not owner.namespaced):
            yield key_of_reference(metadata.namespace, reference, owner)


def key_of_reference(
    namespace: str, reference: meta_pb2.OwnerReference, owner: AnyKind
) -> OwnerKey:
    """Return the key of the owner that an object in ``namespace`` names."""
    return OwnerKey(
        reference.api_version,
        reference.kind,
        namespace if owner.namespaced else "",
        reference.name,
        reference.uid,
    )


def plan(snapshot: Snapshot, key: OwnerKey, now: float) -> Plan:
    """Return what becomes of the dependents of one owner, and of the owner that waits for them."""
    kind = by_manifest(key.api_version, key.kind)
    if kind is None:
        return Plan()
    owner = snapshot.get(kind, key.name, key.namespace)
    dependents = _dependents(snapshot, key.uid)
    if owner is None or owner.metadata.uid != key.uid:
        return _collect(snapshot, key, kind, dependents)
    if not objects.is_deleting(owner.metadata):
        return Plan()
    if ORPHAN in owner.metadata.finalizers:
        return _release(owner, kind, dependents)
    if FOREGROUND in owner.metadata.finalizers:
        return _await_dependents(owner, kind, dependents)
    return Plan()


def _dependents(snapshot: Snapshot, uid: str) -> list[Any]:
    return [obj for kind in KINDS for obj in snapshot.by_index(kind, BY_OWNER, uid)]


def _collect(snapshot: Snapshot, key: OwnerKey, kind: AnyKind, dependents: Sequence[Any]) -> Plan:
    """Delete the dependents of a vanished owner; one with another owner only forgets this one."""
    planned = []
    claims = {Absent(kind, key.namespace, key.name, key.uid)}
    for dependent in dependents[:WRITES_MAX]:
        if objects.is_deleting(dependent.metadata):
            continue
        others = [
            other for other in owners_of(of(dependent), dependent.metadata) if other.uid != key.uid
        ]
        if any(_exists(snapshot, other) for other in others):
            planned.append(_forget(dependent, key.uid))
            continue
        claims |= {_absence(other) for other in others}
        planned.append(_deletion(dependent))
    if not planned:
        return Plan()
    more = 0.0 if len(dependents) > WRITES_MAX else None
    return Plan(tuple(planned), requeue_after_s=more, absent=tuple(claims))


def _exists(snapshot: Snapshot, key: OwnerKey) -> bool:
    kind = by_manifest(key.api_version, key.kind)
    if kind is None:
        return True  # Nothing is known of that kind: leave its dependents alone.
    owner = snapshot.get(kind, key.name, key.namespace)
    return owner is not None and owner.metadata.uid == key.uid


def wants_attention(snapshot: Snapshot, key: OwnerKey) -> bool:
    """Say whether an owner is gone, or is going and waits for its dependents."""
    kind = by_manifest(key.api_version, key.kind)
    if kind is None:
        return False
    owner = snapshot.get(kind, key.name, key.namespace)
    return owner is None or owner.metadata.uid != key.uid or objects.is_deleting(owner.metadata)


def _absence(key: OwnerKey) -> Absent:
    kind = by_manifest(key.api_version, key.kind)
    assert kind is not None, "an owner of an unknown kind counts as existing"
    return Absent(kind, key.namespace, key.name, key.uid)


def _release(owner: Any, kind: AnyKind, dependents: Sequence[Any]) -> Plan:
    """Take the owner out of its dependents, then let it go."""
    uid = owner.metadata.uid
    planned = [_forget(dependent, uid) for dependent in dependents[: WRITES_MAX - 1]]
    if len(dependents) < WRITES_MAX:
        planned.append(_drop_finalizer(owner, kind, ORPHAN))
    return Plan(tuple(planned))


def _await_dependents(owner: Any, kind: AnyKind, dependents: Sequence[Any]) -> Plan:
    """Delete the dependents, and let the owner go when none that blocks it is left."""
    uid = owner.metadata.uid
    planned = [
        _deletion(dependent)
        for dependent in dependents
        if not objects.is_deleting(dependent.metadata)
    ][:WRITES_MAX]
    if not any(_blocks(dependent.metadata, uid) for dependent in dependents):
        planned.append(_drop_finalizer(owner, kind, FOREGROUND))
    return Plan(tuple(planned))


def _blocks(metadata: meta_pb2.ObjectMeta, uid: str) -> bool:
    return any(
        reference.uid == uid and reference.block_owner_deletion
        for reference in metadata.owner_references
    )


def _deletion(dependent: Any) -> commit_pb2.Write:
    """Delete; whoever waits for its own dependents passes the waiting on."""
    metadata = dependent.metadata
    return writes.delete(
        of(dependent),
        metadata.name,
        metadata.namespace,
        propagation=requests_pb2.PROPAGATION_POLICY_BACKGROUND,
        uid=metadata.uid,
    )


def _forget(dependent: Any, uid: str) -> commit_pb2.Write:
    metadata = dependent.metadata
    kept = objects.references_without(metadata, {uid})
    return _patch(dependent, of(dependent), {"ownerReferences": kept})


def _drop_finalizer(owner: Any, kind: AnyKind, finalizer: str) -> commit_pb2.Write:
    kept = [name for name in owner.metadata.finalizers if name != finalizer]
    return _patch(owner, kind, {"finalizers": kept})


def _patch(obj: Any, kind: AnyKind, metadata_patch: dict[str, Any]) -> commit_pb2.Write:
    metadata = obj.metadata
    return writes.patch(
        kind,
        metadata.name,
        {"metadata": metadata_patch},
        metadata.namespace,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )
