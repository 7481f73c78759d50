"""Builders of a `Commit`'s writes.

Owns: the mapping from a caller's intent (create this, delete that) to `commit_pb2.Write`.
Invariant: nothing is sent and no random id is drawn here, so planners can use it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import scheduling_pb2
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2


def create(obj: Message) -> commit_pb2.Write:
    """Return the write that creates ``obj``; the commit fails if it exists."""
    return commit_pb2.Write(create=commit_pb2.CreateWrite(object=_packed(obj)))


def update(obj: Message) -> commit_pb2.Write:
    """Return the write that replaces all but the status.

    The stored revision must be ``metadata.resource_version`` if that is set.
    """
    return commit_pb2.Write(update=commit_pb2.UpdateWrite(object=_packed(obj)))


def update_status(obj: Message) -> commit_pb2.Write:
    """Return the write that replaces the status only.

    The stored revision must be ``metadata.resource_version`` if that is set.
    """
    return commit_pb2.Write(
        update=commit_pb2.UpdateWrite(object=_packed(obj), subresource="status")
    )


def patch(
    kind: AnyKind,
    name: str,
    merge_patch: Mapping[str, Any] | bytes,
    namespace: str = "",
    subresource: str = "",
    uid: str | None = None,
    resource_version: str | None = None,
) -> commit_pb2.Write:
    """Return the write that applies a JSON merge patch to one object."""
    return commit_pb2.Write(
        patch=commit_pb2.PatchWrite(
            api_version=kind.api_version,
            kind=kind.name,
            request=patch_request(name, merge_patch, namespace, subresource, uid, resource_version),
        )
    )


def apply(
    configuration: Message,
    *,
    force: bool = False,
    subresource: str = "",
    only_create: bool = False,
) -> commit_pb2.Write:
    """Return the write that applies a configuration in the name of the commit's field manager."""
    return commit_pb2.Write(
        apply=commit_pb2.ApplyWrite(
            object=_packed(configuration),
            force=force,
            subresource=subresource,
            only_create=only_create,
        )
    )


def delete(
    kind: AnyKind,
    name: str,
    namespace: str = "",
    *,
    grace_period_seconds: int | None = None,
    propagation: requests_pb2.PropagationPolicy | None = None,
    uid: str | None = None,
    resource_version: str | None = None,
) -> commit_pb2.Write:
    """Return the write that deletes one object, or begins its graceful deletion."""
    return commit_pb2.Write(
        delete=commit_pb2.DeleteWrite(
            api_version=kind.api_version,
            kind=kind.name,
            request=delete_request(
                name,
                namespace,
                grace_period_seconds=grace_period_seconds,
                propagation=propagation,
                uid=uid,
                resource_version=resource_version,
            ),
        )
    )


def bind(
    namespace: str,
    name: str,
    uid: str,
    node_name: str,
    record: scheduling_pb2.SchedulingRecord | None = None,
) -> commit_pb2.Write:
    """Return the write that binds a pod and stores why; without a node it only stores why."""
    return commit_pb2.Write(
        bind=scheduling_pb2.BindPodRequest(
            namespace=namespace, name=name, uid=uid, node_name=node_name, record=record
        )
    )


PatchForm: TypeAlias = Literal["merge_patch", "strategic_merge_patch", "json_patch"]


def patch_request(
    name: str,
    patch: Mapping[str, Any] | Sequence[Mapping[str, Any]] | bytes,
    namespace: str = "",
    subresource: str = "",
    uid: str | None = None,
    resource_version: str | None = None,
    form: PatchForm = "merge_patch",
) -> requests_pb2.PatchRequest:
    """Return the request of a Patch call or write."""
    if not isinstance(patch, bytes):
        text = json.dumps(patch, ensure_ascii=False, separators=(",", ":"))
        # Bytes that are not text are for the server to refuse.
        patch = text.encode(errors="surrogatepass")
    request = requests_pb2.PatchRequest(
        namespace=namespace,
        name=name,
        subresource=subresource,
        preconditions=_preconditions(uid, resource_version),
    )
    setattr(request, form, patch)
    return request


def delete_request(
    name: str,
    namespace: str = "",
    *,
    grace_period_seconds: int | None = None,
    propagation: requests_pb2.PropagationPolicy | None = None,
    uid: str | None = None,
    resource_version: str | None = None,
) -> requests_pb2.DeleteRequest:
    """Return the request of a Delete call or write."""
    options = requests_pb2.DeleteOptions(
        grace_period_seconds=grace_period_seconds,
        preconditions=_preconditions(uid, resource_version),
    )
    if propagation is not None:
        options.propagation_policy = propagation
    return requests_pb2.DeleteRequest(namespace=namespace, name=name, options=options)


def _preconditions(
    uid: str | None, resource_version: str | None
) -> requests_pb2.Preconditions | None:
    if uid is None and resource_version is None:
        return None
    return requests_pb2.Preconditions(uid=uid, resource_version=resource_version)


def _packed(obj: Message) -> AnyMessage:
    return AnyMessage(
        type_url=f"type.googleapis.com/{obj.DESCRIPTOR.full_name}", value=obj.SerializeToString()
    )
