"""The Namespace controller's decisions: a deleted namespace goes when it is empty.

Owns: deleting what is inside, then the finalizer `kubernetes`.

Invariant: the finalizer goes only when no object is left inside; pods get the time that
they may take to end.
"""

from __future__ import annotations

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import namespace_pb2
from podraft.api.kinds import KINDS, NAMESPACE, AnyKind
from podraft.client import writes
from podraft.server.controllers import objects
from podraft.server.controllers.plan import BY_NAMESPACE, Absent, ObjectKey, Plan, Snapshot

FINALIZER = "kubernetes"
DELETIONS_MAX = 500
# Objects that are still written inside are looked for so often.
_AGAIN_S = 5.0


def plan(snapshot: Snapshot, key: ObjectKey, now: float) -> Plan:
    """Return what brings a namespace whose deletion was asked for nearer to its end."""
    namespace = snapshot.get(NAMESPACE, key.name)
    if (
        namespace is None
        or not objects.is_deleting(namespace.metadata)
        or FINALIZER not in namespace.spec.finalizers
    ):
        return Plan()
    remaining: dict[str, int] = {}
    deletions: list[commit_pb2.Write] = []
    for kind in _inside():
        found = snapshot.by_index(kind, BY_NAMESPACE, key.name)
        if found:
            remaining[kind.resource] = len(found)
        deletions += [
            writes.delete(kind, obj.metadata.name, key.name, uid=obj.metadata.uid)
            for obj in found
            if not objects.is_deleting(obj.metadata)
        ]
    if not remaining:
        return Plan((_finalize(namespace),), requeue_after_s=_AGAIN_S, absent=_empty(key.name))
    planned = deletions[:DELETIONS_MAX]
    status = _status(namespace, remaining, now)
    if status != namespace.status:
        changed = objects.copied(namespace)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    return Plan(tuple(planned), requeue_after_s=_AGAIN_S)


def _inside() -> list[AnyKind]:
    """Return the kinds that live in namespaces, those that make others first."""
    return [kind for kind in reversed(KINDS) if kind.namespaced]


def _empty(namespace: str) -> tuple[Absent, ...]:
    """Return the claim that nothing at all is left, to be checked before the end."""
    return tuple(Absent(kind, namespace, "") for kind in _inside())


def _finalize(namespace: namespace_pb2.Namespace) -> commit_pb2.Write:
    kept = [name for name in namespace.spec.finalizers if name != FINALIZER]
    metadata = namespace.metadata
    return writes.patch(
        NAMESPACE,
        metadata.name,
        {"spec": {"finalizers": kept}},
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )


def _status(
    namespace: namespace_pb2.Namespace, remaining: dict[str, int], now: float
) -> namespace_pb2.NamespaceStatus:
    """Return the status that says what the deletion waits for."""
    status = namespace_pb2.NamespaceStatus()
    status.CopyFrom(namespace.status)
    status.phase = "Terminating"
    found = objects.condition(status.conditions, "NamespaceContentRemaining")
    if found is None:
        found = status.conditions.add(type="NamespaceContentRemaining")
        found.last_transition_time.CopyFrom(objects.time_of(now))
    found.status, found.reason = "True", "SomeResourcesRemain"
    # Kinds, not counts: a status per deleted pod would cost more than it tells.
    found.message = f"Still inside: {', '.join(sorted(remaining))}"
    return status
