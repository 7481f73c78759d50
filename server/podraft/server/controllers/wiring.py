"""Which change of which object concerns which controller's keys.

Owns: the triggers, and the table of all controllers.

Invariant: a trigger may name too many keys, never too few.  What it leaves out (a change of
a field that the planner does not read) is left out because thousands of pods' changes
would otherwise each cost a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from typing import Any

from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import (
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    LEASE,
    NAMESPACE,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    AnyKind,
    KnownKinds,
)
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import OwnerKey
from podraft.api.objects.pods import is_active, is_finished, is_ready, ready_condition
from podraft.api.objects.taints import NO_EXECUTE
from podraft.server.controllers import objects
from podraft.server.controllers.manager import Controller
from podraft.server.controllers.plan import (
    BY_NAMESPACE,
    BY_OWNER,
    ObjectKey,
    Snapshot,
)
from podraft.server.controllers.planners import (
    deployments,
    endpoint_slices,
    expired_events,
    finished_pods,
    garbage,
    namespaces,
    nodes,
    pod_ranges,
    replica_sets,
)


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """What an operator may set."""

    pod_cidr: str = "10.244.0.0/16"
    node_prefix: int = 24
    node_grace_s: float = 20.0
    not_ready_toleration_s: float = 20.0
    finished_pods_max: int = 1000
    event_ttl_s: float = 3600.0
    identity: str = ""
    lease_name: str = field(default="podraft-controllers")


def controllers(options: ControllerOptions, known: KnownKinds) -> tuple[Controller[Any], ...]:
    """Return all controllers, woken by objects of the kinds that are known."""
    return (
        Controller(
            "deployments",
            deployments.plan,
            {DEPLOYMENT: _self, REPLICA_SET: _owning_deployments, POD: _deployments_of_ended_pods},
            subject=_subject(DEPLOYMENT),
            failure="ReplicaSetCreateError",
        ),
        Controller(
            "replica-sets",
            replica_sets.plan,
            {REPLICA_SET: _self, POD: _owning_replica_sets},
            pace_s=0.05,
            workers=4,
            subject=_subject(REPLICA_SET),
            failure="FailedCreate",
        ),
        Controller(
            "endpoint-slices",
            endpoint_slices.plan,
            {SERVICE: _self, ENDPOINT_SLICE: _service_of_slice, POD: _selecting_services},
            pace_s=0.05,
        ),
        Controller(
            "namespaces",
            namespaces.plan,
            {
                NAMESPACE: _self,
                **{kind: _ending_namespace for kind in known if kind.namespaced},
            },
            pace_s=0.1,
        ),
        Controller(
            "garbage",
            garbage.plan,
            {kind: partial(_owner_keys, kind) for kind in known},
            workers=4,
        ),
        Controller(
            "nodes",
            partial(
                nodes.plan,
                options=nodes.Options(options.node_grace_s, options.not_ready_toleration_s),
            ),
            {NODE: _self, LEASE: _node_of_lease, POD: _troubled_node},
        ),
        Controller(
            "pod-ranges",
            partial(
                pod_ranges.plan,
                options=pod_ranges.Options(IPv4Network(options.pod_cidr), options.node_prefix),
            ),
            {NODE: _nodes_without_range},
            workers=1,
            initial_keys=(pod_ranges.KEY,),
        ),
        Controller(
            "finished-pods",
            partial(finished_pods.plan, keep=options.finished_pods_max),
            {POD: _finishing},
            pace_s=5.0,
            workers=1,
            initial_keys=(finished_pods.KEY,),
        ),
        Controller(
            "expired-events",
            partial(expired_events.plan, ttl_s=options.event_ttl_s),
            {EVENT: _appearing},
            pace_s=30.0,
            workers=1,
            initial_keys=(expired_events.KEY,),
        ),
    )


def _key(obj: Any) -> ObjectKey:
    return ObjectKey(obj.metadata.namespace, obj.metadata.name)


def _subject(kind: AnyKind) -> Callable[[Snapshot, ObjectKey], Any]:
    return lambda snapshot, key: snapshot.get(kind, key.name, key.namespace)


def _self(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    yield _key(new or old)


def _controllers_of(kind: AnyKind, *versions: Any) -> Iterator[ObjectKey]:
    """Yield the keys of the controllers of one kind that the versions of an object name."""
    for obj in versions:
        if obj is not None:
            reference = owners.controller_of(obj.metadata)
            if reference is not None and owners.names_kind(reference, kind):
                yield ObjectKey(obj.metadata.namespace, reference.name)


def _adopters(snapshot: Snapshot, kind: AnyKind, orphan: Any) -> Iterator[ObjectKey]:
    """Yield the workloads whose selector matches an object that no controller owns."""
    if orphan is None or owners.controller_of(orphan.metadata) is not None:
        return
    for workload in snapshot.by_index(kind, BY_NAMESPACE, orphan.metadata.namespace):
        selector = objects.selector_of(workload.spec.selector)
        if selector.matches(orphan.metadata.labels):
            yield _key(workload)


def _owning_deployments(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    yield from _controllers_of(DEPLOYMENT, old, new)
    yield from _adopters(snapshot, DEPLOYMENT, new)


def _deployments_of_ended_pods(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """A Recreate waits for the end of the last old pod."""
    if new is None or (is_finished(new) and old is not None):
        for key in _controllers_of(REPLICA_SET, old):
            owner = snapshot.get(REPLICA_SET, key.name, key.namespace)
            for deployment_key in _controllers_of(DEPLOYMENT, owner):
                found = snapshot.get(DEPLOYMENT, deployment_key.name, key.namespace)
                if found is not None and found.spec.strategy.type == "Recreate":
                    yield deployment_key


def _owning_replica_sets(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    if old is not None and new is not None and not _matters_to_replica_set(old, new):
        return
    yield from _controllers_of(REPLICA_SET, old, new)
    yield from _adopters(snapshot, REPLICA_SET, new)


def _matters_to_replica_set(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        is_active(old) != is_active(new)
        or ready_condition(old) != ready_condition(new)
        or old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
    )


def _service_of_slice(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    for obj in (old, new):
        if obj is not None:
            service = obj.metadata.labels.get(well_known.SERVICE_NAME_LABEL)
            if service:
                yield ObjectKey(obj.metadata.namespace, service)


def _selecting_services(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    if old is not None and new is not None and not _matters_to_services(old, new):
        return
    namespace = (new or old).metadata.namespace
    for service in snapshot.by_index(SERVICE, BY_NAMESPACE, namespace):
        wanted = service.spec.selector
        for obj in (old, new):
            if obj is not None and wanted:
                labels = obj.metadata.labels
                if all(labels.get(label) == value for label, value in wanted.items()):
                    yield _key(service)
                    break


def _matters_to_services(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    return (
        is_active(old) != is_active(new)
        or is_ready(old) != is_ready(new)
        or old.status.pod_ip != new.status.pod_ip
        or old.spec.node_name != new.spec.node_name
        or old.metadata.labels != new.metadata.labels
    )


def _ending_namespace(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """Something vanished from, or still appeared in, a namespace that is being deleted."""
    if old is None or new is None:
        name = (new or old).metadata.namespace
        namespace = snapshot.get(NAMESPACE, name)
        if namespace is not None and is_deleting(namespace.metadata):
            yield ObjectKey("", name)


def _owner_keys(kind: AnyKind, snapshot: Snapshot, old: Any, new: Any) -> Iterator[OwnerKey]:
    """Owners that vanish or wait; owners that an object names but that are not there."""
    current = new if new is not None else old
    metadata = current.metadata
    own = owners.key_of(kind, current)
    if new is None:
        if any(snapshot.by_index(other, BY_OWNER, own.text) for other in snapshot.known):
            yield own
    elif is_deleting(metadata) and (
        well_known.FOREGROUND_FINALIZER in metadata.finalizers
        or well_known.ORPHAN_FINALIZER in metadata.finalizers
    ):
        yield own
    named = set(owners.named_keys(kind, metadata, snapshot.known))
    if old is not None and new is not None:
        # One that it no longer names may have waited for it.
        named.update(owners.named_keys(kind, old.metadata, snapshot.known))
    for owner_key in named:
        if garbage.wants_attention(snapshot, owner_key):
            yield owner_key


def _node_of_lease(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """A Lease that appears, or that is renewed for a node that counts as lost."""
    metadata = (new or old).metadata
    if metadata.namespace != well_known.NODE_LEASE_NAMESPACE:
        return
    node = snapshot.get(NODE, metadata.name)
    if old is None or new is None or (node is not None and node.spec.taints):
        yield ObjectKey("", metadata.name)


def _troubled_node(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    """A pod arrived on a node that is gone or that it may have to leave."""
    if new is None or not new.spec.node_name:
        return
    node = snapshot.get(NODE, new.spec.node_name)
    if node is None or any(taint.effect == NO_EXECUTE for taint in node.spec.taints):
        yield ObjectKey("", new.spec.node_name)


def _nodes_without_range(snapshot: Snapshot, old: Any, new: Any) -> Iterator[str]:
    if new is None or not new.spec.pod_cidr:
        yield pod_ranges.KEY


def _finishing(snapshot: Snapshot, old: Any, new: Any) -> Iterator[str]:
    if new is not None and is_finished(new):
        yield finished_pods.KEY


def _appearing(snapshot: Snapshot, old: Any, new: Any) -> Iterator[str]:
    if old is None:
        yield expired_events.KEY
