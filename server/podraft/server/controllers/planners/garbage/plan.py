"""The garbage collector's decisions: objects that nobody owns any more are removed.

Owns: the effects of the end of an owner: deleting its dependents (background), waiting
for them first (foreground), or releasing them (orphan).

Invariants: an object with an owner that exists is never deleted; the absence of an owner
is checked against the API server before anything is deleted for it; an owner is its
whole key, so a wrong reference concerns only the object that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import requests_pb2
from podraft.api.moments import Now
from podraft.api.objects import owners
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import OwnerKey, key_of, named_key
from podraft.api.objects.well_known import FOREGROUND_FINALIZER, ORPHAN_FINALIZER
from podraft.client.calls import writes
from podraft.server.controllers.core.indexes import BY_OWNER
from podraft.server.controllers.core.plan import Absent, Plan, Snapshot

WRITES_MAX = 500
# Each claim is a question to the API server: an object may name many owners.
CLAIMS_MAX = 500
_FOREGROUND = requests_pb2.PROPAGATION_POLICY_FOREGROUND
# Dependents are deleted in the background, unless the object itself says otherwise.
_OWN = requests_pb2.PROPAGATION_POLICY_UNSPECIFIED


def plan(snapshot: Snapshot, key: OwnerKey, now: Now) -> Plan:
    """Return the plan for the dependents of one owner, and for the owner that waits for them."""
    kind = snapshot.known.by_manifest(key.api_version, key.kind)
    if kind is None:
        return Plan()
    owner = _find(snapshot, key)
    dependents = _dependents(snapshot, key)
    if owner is None:
        return _collect(snapshot, key, kind, dependents)
    if not is_deleting(owner.metadata):
        return Plan()
    if ORPHAN_FINALIZER in owner.metadata.finalizers:
        return _release(snapshot, owner, kind, key, dependents)
    if FOREGROUND_FINALIZER in owner.metadata.finalizers:
        return _await_dependents(snapshot, owner, kind, key, dependents)
    return Plan()


def _find(snapshot: Snapshot, key: OwnerKey) -> Any:
    """Return the very object that a key means; None if it does not exist."""
    kind = snapshot.known.by_manifest(key.api_version, key.kind)
    owner = snapshot.get(kind, key.name, key.namespace) if kind is not None else None
    return owner if owner is not None and owner.metadata.uid == key.uid else None


def wants_attention(snapshot: Snapshot, key: OwnerKey) -> bool:
    """Return whether an owner is gone, or is going and waits for its dependents."""
    owner = _find(snapshot, key)
    return owner is None or is_deleting(owner.metadata)


def _dependents(snapshot: Snapshot, key: OwnerKey) -> list[Any]:
    return [obj for kind in snapshot.known for obj in snapshot.by_index(kind, BY_OWNER, key.text)]


@dataclass(slots=True)
class _Partings:
    """The writes that take dependents from one owner, and what must be absent for them."""

    writes: list[commit_pb2.Write] = field(default_factory=list)
    claims: set[Absent] = field(default_factory=set)
    more: bool = False


def _part(
    snapshot: Snapshot, key: OwnerKey, dependents: Sequence[Any], *, is_awaited: bool
) -> _Partings:
    """Delete the dependents of an owner that goes; one with another owner only loses this one.

    Dependents that are being deleted already are passed over first, however many they are: what
    holds them must not hold the rest.
    """
    partings = _Partings()
    for dependent in dependents:
        if is_deleting(dependent.metadata):
            continue
        if len(partings.writes) >= WRITES_MAX or len(partings.claims) >= CLAIMS_MAX:
            partings.more = True
            break
        kind = snapshot.known.of(dependent)
        claims = _claims_for_deletion(snapshot, key, dependent)
        if claims is None:
            partings.writes.append(_forget(kind, dependent, key))
        else:
            partings.claims |= claims
            waits = is_awaited and _is_blocked(snapshot, dependent)
            partings.writes.append(_deletion(kind, dependent, _FOREGROUND if waits else _OWN))
    return partings


def _claims_for_deletion(
    snapshot: Snapshot, leaving: OwnerKey, dependent: Any
) -> set[Absent] | None:
    """Return the other owners that must be absent for a dependent to go; None: one keeps it."""
    claims: set[Absent] = set()
    metadata, known = dependent.metadata, snapshot.known
    for reference in metadata.owner_references:
        if leaving.is_meant_by(reference):
            continue
        other = named_key(known.of(dependent), metadata.namespace, reference, known)
        kind = known.by_manifest(other.api_version, other.kind) if other is not None else None
        if other is None or kind is None:
            return None  # Nothing can be known of that owner: it may well exist.
        owner = _find(snapshot, other)
        if owner is None:
            claims.add(Absent(kind, other.namespace, other.name, other.uid))
        elif not _waits_for_dependents(owner):
            return None
    return claims


def _waits_for_dependents(owner: Any) -> bool:
    return is_deleting(owner.metadata) and FOREGROUND_FINALIZER in owner.metadata.finalizers


def _collect(snapshot: Snapshot, key: OwnerKey, kind: AnyKind, dependents: Sequence[Any]) -> Plan:
    """Take the dependents from an owner that has vanished."""
    partings = _part(snapshot, key, dependents, is_awaited=False)
    if not partings.writes:
        return Plan()
    claims = {Absent(kind, key.namespace, key.name, key.uid)} | partings.claims
    again_s = 0.0 if partings.more else None
    return Plan(tuple(partings.writes), requeue_after_s=again_s, absent=tuple(claims))


def _release(
    snapshot: Snapshot, owner: Any, kind: AnyKind, key: OwnerKey, dependents: Sequence[Any]
) -> Plan:
    """Take the owner out of its dependents, then let it go."""
    planned = [
        _forget(snapshot.known.of(dependent), dependent, key)
        for dependent in dependents[: WRITES_MAX - 1]
    ]
    if len(dependents) < WRITES_MAX:
        planned.append(_drop_finalizer(owner, kind, ORPHAN_FINALIZER))
    return Plan(tuple(planned))


def _await_dependents(
    snapshot: Snapshot, owner: Any, kind: AnyKind, key: OwnerKey, dependents: Sequence[Any]
) -> Plan:
    """Take the dependents from the owner, and let it go when none that blocks it is left."""
    partings = _part(snapshot, key, dependents, is_awaited=True)
    blocking = (dependent for dependent in dependents if _blocks(dependent, key))
    if all(_waits_for(dependent, owner, snapshot.known) for dependent in blocking):
        partings.writes.append(_drop_finalizer(owner, kind, FOREGROUND_FINALIZER))
    again_s = 0.0 if partings.more else None
    return Plan(tuple(partings.writes), requeue_after_s=again_s, absent=tuple(partings.claims))


def _blocks(dependent: Any, key: OwnerKey) -> bool:
    return any(
        reference.block_owner_deletion and key.is_meant_by(reference)
        for reference in dependent.metadata.owner_references
    )


def _is_blocked(snapshot: Snapshot, owner: Any) -> bool:
    """Return whether an object has dependents that its own foreground deletion would wait for.

    A dependent that waits for its own dependents does not count: objects that own each other in
    a circle would wait for ever.
    """
    key = key_of(snapshot.known.of(owner), owner)
    return any(
        _blocks(dependent, key) and not _waits_for_dependents(dependent)
        for dependent in _dependents(snapshot, key)
    )


def _waits_for(dependent: Any, owner: Any, known: KnownKinds) -> bool:
    """Return whether a dependent waits for its own owner to go: the two would wait for ever."""
    key = key_of(known.of(dependent), dependent)
    return _waits_for_dependents(dependent) and _blocks(owner, key)


def _deletion(
    kind: AnyKind, dependent: Any, propagation: requests_pb2.PropagationPolicy
) -> commit_pb2.Write:
    """Delete a dependent; an owner that waits for it also waits for its dependents."""
    metadata = dependent.metadata
    return writes.delete(
        kind,
        metadata.name,
        metadata.namespace,
        propagation=propagation,
        uid=metadata.uid,
    )


def _forget(kind: AnyKind, dependent: Any, owner: OwnerKey) -> commit_pb2.Write:
    kept = owners.references_without(dependent.metadata, owner)
    return _patch(dependent, kind, {"ownerReferences": kept})


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
