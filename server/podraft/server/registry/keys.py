"""The layout of the keyspace.

Owns: the layout of keys that ``docs/architecture.md`` describes.  Invariant: a
key of an object is ``resource[.group][/namespace]/name``; every other key begins with
an underscore, so no object can ever shadow it.
"""

from __future__ import annotations

from typing import Final

from podraft.api import kinds
from podraft.api.kinds import AnyKind, KnownKinds

CLUSTER_ID: Final = b"_cluster/id"


def of_object(kind: AnyKind, namespace: str, name: str) -> bytes:
    """Return an object's key."""
    if kind.namespaced:
        return f"{kind.group_resource}/{namespace}/{name}".encode()
    return f"{kind.group_resource}/{name}".encode()


def prefix(kind: AnyKind, namespace: str = "") -> bytes:
    """Return the prefix of a kind's keys, in one namespace or in all."""
    if kind.namespaced and namespace:
        return f"{kind.group_resource}/{namespace}/".encode()
    return f"{kind.group_resource}/".encode()


def of_namespace(name: str) -> bytes:
    """Return the key of a Namespace."""
    return of_object(kinds.NAMESPACE, "", name)


def kind_of(key: bytes, known: KnownKinds) -> AnyKind | None:
    """Return the kind of the object that a key holds; None if it holds none of a known kind."""
    return known.by_group_resource(key.partition(b"/")[0].decode("utf-8", "replace"))


def names_in(kind: AnyKind, key: bytes) -> tuple[str, str]:
    """Return the namespace (empty if the kind has none) and the name in an object's key."""
    parts = key.decode().split("/", 2)
    return (parts[1], parts[2]) if kind.namespaced else ("", parts[1])


def namespace_of(key: bytes) -> str:
    """Return the namespace in a namespaced object's key."""
    return key.split(b"/", 2)[1].decode()
