"""Who owns an object: the whole identity of an owner, never its uid alone.

Owns: how an owner reference is resolved: to a kind, a namespace, a name and a uid.

Invariant: a namespaced owner is in its dependent's own namespace, and nothing that is in no
namespace has one.  A reference that names a living uid beside a wrong kind, name or
namespace therefore names an owner that does not exist, and concerns its writer only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from podraft.api.kinds import AnyKind, KnownKinds, Object
from podraft.api.meta.v1 import meta_pb2


class OwnerKey(NamedTuple):
    """An object that others name as their owner, whether it exists or not."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def text(self) -> str:
        """The key as one text, for indexes."""
        # A name in a reference can hold any character, but none of a real object holds this one.
        return "\n".join(self)

    def is_meant_by(self, reference: meta_pb2.OwnerReference) -> bool:
        """Say whether a reference of an object that may name this owner means it."""
        return (
            reference.uid == self.uid
            and reference.name == self.name
            and reference.kind == self.kind
            and reference.api_version == self.api_version
        )

    def may_own_in(self, namespace: str) -> bool:
        """Say whether an object of ``namespace`` (empty: of none) may name this owner."""
        return not self.namespace or self.namespace == namespace

    def controls(self, metadata: meta_pb2.ObjectMeta) -> bool:
        """Say whether this owner is the one that manages an object."""
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
    """Return the owner that a reference means; None if no owner can be meant.

    That is so for a kind that is not known, and for a namespaced owner of an object that
    is in no namespace.
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
    """Yield the owners that an object names, but those that cannot be."""
    for reference in metadata.owner_references:
        key = named_key(kind, metadata.namespace, reference, known)
        if key is not None:
            yield key


def names_kind(reference: meta_pb2.OwnerReference, kind: AnyKind) -> bool:
    """Say whether a reference says that the owner is of a kind."""
    return reference.api_version == kind.api_version and reference.kind == kind.name


def controller_of(metadata: meta_pb2.ObjectMeta) -> meta_pb2.OwnerReference | None:
    """Return the reference to the owner that manages the object, if there is one."""
    for reference in metadata.owner_references:
        if reference.controller:
            return reference
    return None


def controller_reference(kind: AnyKind, owner: Object) -> meta_pb2.OwnerReference:
    """Return what an object that ``owner`` manages carries."""
    return meta_pb2.OwnerReference(
        api_version=kind.api_version,
        kind=kind.name,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def references_without(metadata: meta_pb2.ObjectMeta, owner: OwnerKey) -> list[dict[str, object]]:
    """Return the owner references but those to ``owner``, as a merge patch writes them."""
    return [
        reference_json(reference)
        for reference in metadata.owner_references
        if not owner.is_meant_by(reference)
    ]


def reference_json(reference: meta_pb2.OwnerReference) -> dict[str, object]:
    """Return an owner reference as JSON has it."""
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
