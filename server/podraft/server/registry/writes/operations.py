"""Writes as the planner takes them, whichever RPC they came by.

Owns: the vocabulary of writes and the way from a ``Commit`` to it.  Invariant: a
single-object RPC and the same write in a ``Commit`` become the same operation.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import shown
from podraft.server.registry.encoded_extent import FIELDS_MAX, has_too_many_fields
from podraft.server.registry.errors import invalid
from podraft.server.values import value


@value
class Create:
    """Store a new object."""

    kind: AnyKind
    object: Any


@value
class Update:
    """Replace an object, or with a sub-resource that part of it."""

    kind: AnyKind
    object: Any
    subresource: str


@value
class Patch:
    """Change some fields of an object."""

    kind: AnyKind
    request: requests_pb2.PatchRequest


@value
class Apply:
    """Make an object as a manager's configuration states it."""

    kind: AnyKind
    object: Any
    force: bool
    subresource: str
    only_create: bool


@value
class DeleteObject:
    """Delete an object, or begin its graceful deletion."""

    kind: AnyKind
    request: requests_pb2.DeleteRequest


@value
class Evict:
    """Delete a pod, as far as the disruption budgets that cover it allow."""

    request: requests_pb2.DeleteRequest


@value
class Bind:
    """Place a pod on a node, or record why it could not be placed."""

    request: scheduling_pb2.BindPodRequest


Operation: TypeAlias = Create | Update | Patch | Apply | DeleteObject | Bind | Evict


def of_write(write: commit_pb2.Write, known: KnownKinds) -> Operation:
    """Return the operation that one write of a ``Commit`` means.

    Raises:
        RefusedError: It names no known kind or one whose objects are not written like this, or it
            carries bytes that are no object.
    """
    match write.WhichOneof("operation"):
        case "create":
            kind, message = _unpack(write.create.object, "create.object", known)
            return Create(kind, message)
        case "update":
            kind, message = _unpack(write.update.object, "update.object", known)
            return Update(kind, message, write.update.subresource)
        case "patch":
            patch = write.patch
            return Patch(_kind(patch.api_version, patch.kind, "patch", known), patch.request)
        case "apply":
            kind, message = _unpack(write.apply.object, "apply.object", known)
            apply = write.apply
            return Apply(kind, message, apply.force, apply.subresource, apply.only_create)
        case "delete":
            delete = write.delete
            return DeleteObject(
                _kind(delete.api_version, delete.kind, "delete", known), delete.request
            )
        case "bind":
            return Bind(write.bind)
        case _:
            expected = "create, update, patch, apply, delete, bind"
            raise invalid("operation", f"is required: one of {expected}")


def _unpack(packed: any_pb2.Any, field: str, known: KnownKinds) -> tuple[AnyKind, Any]:
    name = packed.type_url.rpartition("/")[2]
    kind = known.by_message_name(name)
    if kind is None:
        raise invalid(f"{field}.typeUrl", f"{shown(packed.type_url)} is no stored kind")
    _check_verb(kind, field)
    if has_too_many_fields(packed.value, kind.message):
        raise invalid(f"{field}.value", f"has more than {FIELDS_MAX} fields")
    try:
        return kind, kind.message.FromString(packed.value)
    except DecodeError:
        raise invalid(f"{field}.value", f"is no encoded {kind.name}") from None


def _kind(api_version: str, name: str, field: str, known: KnownKinds) -> AnyKind:
    kind = known.by_manifest(api_version, name)
    if kind is None:
        raise invalid(f"{field}.kind", f"{shown(name)} in {shown(api_version)} is no stored kind")
    _check_verb(kind, field)
    return kind


def _check_verb(kind: AnyKind, field: str) -> None:
    verb = field.partition(".")[0]
    # Applying needs the right to patch, and makes no objects but of kinds that can be patched.
    if ("patch" if verb == "apply" else verb) not in kind.verbs:
        expected = ", ".join(kind.verbs)
        raise invalid(field, f"{kind.resource} know no {verb}: expected one of {expected}")
