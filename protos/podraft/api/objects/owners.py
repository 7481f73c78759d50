"""The owners of an object, by their whole identity, never by the uid alone.

Owns: how an owner reference is resolved: to a kind, a namespace, a name and a uid.

Invariant: a namespaced owner is in its dependent's own namespace, and an object in no namespace
has no namespaced owner.  A reference with a living uid but a wrong kind, name or namespace
therefore names an owner that does not exist, and affects only the object that holds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from podraft.api.kinds import AnyKind, KnownKinds, Object
from podraft.api.meta.v1 import meta_pb2


class OwnerKey(NamedTuple):
    """The key of an object that others name as their owner, whether it exists or not."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def text(self) -> str:
        """The key as one text, for indexes."""
        # A reference may name any characters, but no real object's name contains this one.
        return "\n".join(self)

    def is_meant_by(self, reference: meta_pb2.OwnerReference) -> bool:
        """Return whether a reference means this owner; its object must be one that may name it."""
        return (
            reference.uid == self.uid
            and reference.name == self.name
            and reference.kind == self.kind
            and reference.api_version == self.api_version
        )

    def may_own_in(self, namespace: str) -> bool:
        """Return whether an object in ``namespace`` (empty: in none) may name this owner."""
        return not self.namespace or self.namespace == namespace

    def controls(self, metadata: meta_pb2.ObjectMeta) -> bool:
        """Return whether this owner is the one that manages an object."""
        return self.may_own_in(metadata.namespace) and any(
            reference.controller and self.is_meant_by(reference)
            for reference in metadata.owner_references
        )


def key_of(kind: AnyKind, owner: Object) -> OwnerKey:
    """Return the key of an object, as its dependents mean it."""
    metadata = owner.metadata
    return OwnerKey(kind.api_version, kind.name, metadata.namespace, metadata.name, metadata.uid)


def named_key(
    dependent: AnyKind, namespace: str, reference: meta_pb2.OwnerReference, known: KnownKinds
) -> OwnerKey | None:
    """Return the owner that a reference means; None if it cannot mean one.

    That is so for an unknown kind, and for a namespaced owner of an object in no namespace.
    """
    owner = known.by_manifest(reference.api_version, reference.kind)
    if owner is None or (owner.namespaced and not dependent.namespaced):
        return None
    return OwnerKey(
        reference.api_version,
        reference.kind,
        namespace if owner.namespaced else "",
        reference.name,
        reference.uid,
    )


def named_keys(
    kind: AnyKind, metadata: meta_pb2.ObjectMeta, known: KnownKinds
) -> Iterator[OwnerKey]:
    """Yield the owners that an object names, except those that cannot exist."""
    for reference in metadata.owner_references:
        key = named_key(kind, metadata.namespace, reference, known)
        if key is not None:
            yield key


def names_kind(reference: meta_pb2.OwnerReference, kind: AnyKind) -> bool:
    """Return whether a reference names an owner of a kind."""
    return reference.api_version == kind.api_version and reference.kind == kind.name


def controller_of(metadata: meta_pb2.ObjectMeta) -> meta_pb2.OwnerReference | None:
    """Return the reference to the owner that manages the object, if there is one."""
    for reference in metadata.owner_references:
        if reference.controller:
            return reference
    return None


def controller_reference(kind: AnyKind, owner: Object) -> meta_pb2.OwnerReference:
    """Return the reference to ``owner`` that the objects it manages carry."""
    return meta_pb2.OwnerReference(
        api_version=kind.api_version,
        kind=kind.name,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def references_without(metadata: meta_pb2.ObjectMeta, owner: OwnerKey) -> list[dict[str, object]]:
    """Return the owner references except those to ``owner``, as JSON for a merge patch."""
    return [
        reference_json(reference)
        for reference in metadata.owner_references
        if not owner.is_meant_by(reference)
    ]


def reference_json(reference: meta_pb2.OwnerReference) -> dict[str, object]:
    """Return an owner reference as JSON."""
    body: dict[str, object] = {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "name": reference.name,
        "uid": reference.uid,
    }
    if reference.HasField("controller"):
        body["controller"] = reference.controller
    if reference.HasField("block_owner_deletion"):
        body["blockOwnerDeletion"] = reference.block_owner_deletion
    return body
