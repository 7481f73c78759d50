"""The indexes by which planners find objects, apart from their names.

Owns: the indexes that every kind has.  A controller declares those that it alone needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.objects import owners

# The values under which an index holds an object, by the index' name.
Indexes: TypeAlias = Mapping[str, Callable[[Any], Iterable[str]]]

# Objects of any namespaced kind, by namespace.
BY_NAMESPACE = "namespace"
# Objects of any kind, by the whole key of each of their owners (`OwnerKey.text`).
BY_OWNER = "owner"
# Objects that no controller owns, by namespace.
BY_ORPHAN_NAMESPACE = "orphan"


def common(kind: AnyKind, known: KnownKinds) -> Indexes:
    """Return the indexes that all kinds have."""
    indexes: dict[str, Callable[[Any], Iterable[str]]] = {BY_OWNER: partial(_owners, kind, known)}
    if kind.namespaced:
        indexes[BY_NAMESPACE] = _namespace
    return indexes


def namespace_of_orphan(obj: Any) -> Iterator[str]:
    """Yield the namespace of an object that no controller owns."""
    if owners.controller_of(obj.metadata) is None:
        yield obj.metadata.namespace


def _owners(kind: AnyKind, known: KnownKinds, obj: Any) -> list[str]:
    return [owner.text for owner in owners.named_keys(kind, obj.metadata, known)]


def _namespace(obj: Any) -> tuple[str]:
    return (obj.metadata.namespace,)
