"""The pods of one workload: those that it owns, those that it takes over, those that it lets go.

Owns: claiming pods by their labels.

Invariant: a pod that another controller owns is never touched; a workload that is being deleted
takes nothing over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import NAMESPACE, POD, AnyKind
from podraft.api.objects import owners
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_active
from podraft.api.selectors.labels import LabelSelector
from podraft.client.calls import writes
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, BY_OWNER
from podraft.server.controllers.core.plan import Snapshot


@dataclass(frozen=True, slots=True)
class Claims:
    """The pods of one workload, and the writes that claim or release them."""

    pods: list[pod_pb2.Pod]
    writes: list[commit_pb2.Write]


def claim(
    snapshot: Snapshot,
    kind: AnyKind,
    owner: Any,
    selector: LabelSelector,
    *,
    finalizers: Sequence[str] = (),
    is_member: Callable[[pod_pb2.Pod], bool] = lambda pod: True,
) -> Claims:
    """Find the owned pods; adopt orphans that match, release owned pods that do not.

    ``finalizers`` are added to those that are adopted.  ``is_member`` says of a pod whether it may
    be one of the workload's for reasons other than its labels.
    """

    def matches(pod: pod_pb2.Pod) -> bool:
        return selector.matches(pod.metadata.labels) and is_member(pod)

    own = owners.key_of(kind, owner)
    claims = Claims([], [])
    for pod in snapshot.by_index(POD, BY_OWNER, own.text):
        if not own.controls(pod.metadata):
            continue
        if matches(pod):
            claims.pods.append(pod)
        elif not is_deleting(pod.metadata):
            kept = owners.references_without(pod.metadata, own)
            claims.writes.append(_changed(pod, {"ownerReferences": kept}))
    if is_deleting(owner.metadata):
        return claims
    reference = owners.reference_json(owners.controller_reference(kind, owner))
    for pod in snapshot.by_index(POD, BY_ORPHAN_NAMESPACE, owner.metadata.namespace):
        if is_active(pod) and matches(pod):
            others = owners.references_without(pod.metadata, own)
            body: dict[str, object] = {"ownerReferences": [*others, reference]}
            if finalizers:
                body["finalizers"] = [*pod.metadata.finalizers, *finalizers]
            claims.writes.append(_changed(pod, body))
            claims.pods.append(pod)
    return claims


def _changed(pod: pod_pb2.Pod, metadata: dict[str, object]) -> commit_pb2.Write:
    return writes.patch(
        POD,
        pod.metadata.name,
        {"metadata": metadata},
        pod.metadata.namespace,
        uid=pod.metadata.uid,
        resource_version=pod.metadata.resource_version,
    )


def deletion(pod: pod_pb2.Pod) -> commit_pb2.Write:
    """Return the write that deletes a pod, and no other one of its name."""
    return writes.delete(POD, pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid)


def without_finalizer(pod: pod_pb2.Pod, finalizer: str) -> commit_pb2.Write:
    """Return the write that removes a finalizer from a pod that has not changed since."""
    return _changed(
        pod, {"finalizers": [one for one in pod.metadata.finalizers if one != finalizer]}
    )


def is_namespace_ending(snapshot: Snapshot, namespace: str) -> bool:
    """Return whether a namespace accepts no new objects and its old ones go anyway."""
    found = snapshot.get(NAMESPACE, namespace)
    return found is not None and is_deleting(found.metadata)
