"""Triggers that several controllers share: which change of which object concerns which keys.

Invariant: a trigger may name too many keys, never too few.  What it leaves out (a change of
a field that the planner does not read) is left out because thousands of pods' changes
would otherwise each cost a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from podraft.api.kinds import AnyKind
from podraft.api.objects import owners
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_NAMESPACE
from podraft.server.controllers.core.plan import ObjectKey, Snapshot


def key_of(obj: Any) -> ObjectKey:
    """Return the key of an object."""
    return ObjectKey(obj.metadata.namespace, obj.metadata.name)


def subject(kind: AnyKind) -> Callable[[Snapshot, ObjectKey], Any]:
    """Return a function that finds the object of a key."""
    return lambda snapshot, key: snapshot.get(kind, key.name, key.namespace)


def itself(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Yield the key of the very object that changed."""
    yield key_of(new or old)


def controllers_of(kind: AnyKind, *versions: Any) -> Iterator[ObjectKey]:
    """Yield the keys of the controllers of one kind that the versions of an object name."""
    for obj in versions:
        if obj is not None:
            reference = owners.controller_of(obj.metadata)
            if reference is not None and owners.names_kind(reference, kind):
                yield ObjectKey(obj.metadata.namespace, reference.name)


def adopters(snapshot: Snapshot, kind: AnyKind, orphan: Any) -> Iterator[ObjectKey]:
    """Yield the workloads whose selector matches an object that no controller owns."""
    if orphan is None or owners.controller_of(orphan.metadata) is not None:
        return
    for workload in snapshot.by_index(kind, BY_NAMESPACE, orphan.metadata.namespace):
        selector = objects.selector_of(workload.spec.selector)
        if selector.matches(orphan.metadata.labels):
            yield key_of(workload)


def pods_of(
    kind: AnyKind, matters: Callable[[Any, Any], bool]
) -> Callable[..., Iterator[ObjectKey]]:
    """Return the trigger of pods: the workloads that own one, or may take it over.

    ``matters`` says whether a change of a pod may concern its owner.
    """

    def owning(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
        if old is not None and new is not None and not matters(old, new):
            return
        yield from controllers_of(kind, old, new)
        yield from adopters(snapshot, kind, new)

    return owning
