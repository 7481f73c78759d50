"""The Namespace controller's decisions: a deleted namespace goes when it is empty.

Owns: deleting what is inside, then the finalizer `kubernetes`.

Invariant: the finalizer is removed only when no object is left inside; pods get the time that
they may take to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import namespace_pb2
from podraft.api.kinds import NAMESPACE, AnyKind, KnownKinds
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_NAMESPACE
from podraft.server.controllers.core.plan import Absent, ObjectKey, Plan, Snapshot

CONTENT = "NamespaceContentRemaining"
FINALIZERS = "NamespaceFinalizersRemaining"
DELETIONS_MAX = 500
# The bounds of a condition: names of each kind, finalizers, length of the text.
_NAMED: Final = 5
_SIZES: Final = (5, 10, 100, 1000, 10_000, 100_000)
_FINALIZERS_NAMED: Final = 10
_TEXT_MAX: Final = 1024
# The seconds between two searches for objects that are still written inside.
_AGAIN_S = 5.0


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of a namespace towards its requested end."""
    namespace = snapshot.get(NAMESPACE, key.name)
    if (
        namespace is None
        or not is_deleting(namespace.metadata)
        or well_known.NAMESPACE_FINALIZER not in namespace.spec.finalizers
    ):
        return Plan()
    inside: dict[AnyKind, Sequence[Any]] = {}
    deletions: list[commit_pb2.Write] = []
    for kind in _inside(snapshot.known):
        found = snapshot.by_index(kind, BY_NAMESPACE, key.name)
        if found:
            inside[kind] = found
        deletions += [
            writes.delete(kind, obj.metadata.name, key.name, uid=obj.metadata.uid)
            for obj in found
            if not is_deleting(obj.metadata)
        ]
    if not inside:
        return Plan(
            (_finalize(namespace),),
            requeue_after_s=_AGAIN_S,
            absent=_empty(snapshot.known, key.name),
        )
    planned = deletions[:DELETIONS_MAX]
    status = _status(namespace, inside, now)
    if status != namespace.status:
        changed = objects.copied(namespace)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    return Plan(tuple(planned), requeue_after_s=_AGAIN_S)


def _inside(known: KnownKinds) -> list[AnyKind]:
    """Return the kinds that live in namespaces, those that make others first."""
    return [kind for kind in reversed(known) if kind.namespaced]


def _empty(known: KnownKinds, namespace: str) -> tuple[Absent, ...]:
    """Return the claim that nothing at all is left, to be checked before the end."""
    return tuple(Absent(kind, namespace, "") for kind in _inside(known))


def _finalize(namespace: namespace_pb2.Namespace) -> commit_pb2.Write:
    kept = [name for name in namespace.spec.finalizers if name != well_known.NAMESPACE_FINALIZER]
    metadata = namespace.metadata
    return writes.patch(
        NAMESPACE,
        metadata.name,
        {"spec": {"finalizers": kept}},
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )


def _status(
    namespace: namespace_pb2.Namespace, inside: dict[AnyKind, Sequence[Any]], now: Now
) -> namespace_pb2.NamespaceStatus:
    """Return the status that says what the deletion waits for."""
    status = namespace_pb2.NamespaceStatus()
    status.CopyFrom(namespace.status)
    status.phase = "Terminating"
    content = ", ".join(f"{kind.resource}: {_counted(found)}" for kind, found in inside.items())
    _set(status, CONTENT, "SomeResourcesRemain", f"Still inside: {content}", now)
    holding = _by_finalizer(inside)
    if holding:
        held = "; ".join(f"{name} holds {_counted(words)}" for name, words in holding.items())
        _set(status, FINALIZERS, "SomeFinalizersRemain", f"Held by finalizers: {held}", now)
    elif (found := conditions.find(status.conditions, FINALIZERS)) is not None:
        status.conditions.remove(found)
    return status


def _by_finalizer(inside: dict[AnyKind, Sequence[Any]]) -> dict[str, list[str]]:
    """Return the objects, as ``resource/name``, that each finalizer holds."""
    holding: dict[str, list[str]] = {}
    for kind, found in inside.items():
        for obj in found:
            if is_deleting(obj.metadata):
                for finalizer in obj.metadata.finalizers:
                    word = f"{kind.resource}/{obj.metadata.name}"
                    holding.setdefault(finalizer, []).append(word)
    return dict(sorted(holding.items())[:_FINALIZERS_NAMED])


def _counted(found: Sequence[Any]) -> str:
    """Return how many objects there are, and which if they are few.

    Large numbers are given by their size only: a status per deleted pod would cost more than
    it tells.
    """
    if len(found) > _NAMED:
        size = max(size for size in _SIZES if len(found) > size)
        return f"over {size}"
    names = (item if isinstance(item, str) else item.metadata.name for item in found)
    return f"{len(found)} ({', '.join(sorted(names))})"


def _set(
    status: namespace_pb2.NamespaceStatus, type_: str, reason: str, message: str, now: Now
) -> None:
    short = message if len(message) <= _TEXT_MAX else f"{message[: _TEXT_MAX - 1]}…"
    conditions.set_condition(
        status.conditions,
        type_,
        conditions.TRUE,
        objects.time_of(now),
        reason=reason,
        message=short,
    )
