"""The ReplicaSet controller's decisions: as many pods as are wanted.

Owns: claiming pods by their labels, creating and deleting them, the ReplicaSet's status.

Invariants: a pod that another controller owns is never touched; pods are deleted in the
order in which they are missed least; creations and deletions never share a plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from podraft.api import times
from podraft.api.apps.v1 import replica_set_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import NAMESPACE, POD, REPLICA_SET
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_active, is_finished, ready_condition
from podraft.api.objects.workloads import replicas
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, BY_OWNER
from podraft.server.controllers.core.plan import Happening, ObjectKey, Plan, Snapshot

# The number of pods created or deleted in one plan; more follow in the next.
BURST_MAX = 1000
_PHASES = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class _Claims:
    """The pods of one ReplicaSet, and the writes that claim or release them."""

    pods: list[pod_pb2.Pod]
    writes: list[commit_pb2.Write]


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one ReplicaSet's pods and status towards its spec."""
    replica_set = snapshot.get(REPLICA_SET, key.name, key.namespace)
    if replica_set is None:
        return Plan()
    claims = _claim(snapshot, replica_set)
    active = [pod for pod in claims.pods if is_active(pod)]
    planned, events = list(claims.writes), list[Happening]()
    if not is_deleting(replica_set.metadata) and not _is_ending(snapshot, key.namespace):
        missing = replicas(replica_set.spec) - len(active)
        if missing > 0:
            count = min(missing, BURST_MAX)
            planned += [_creation(replica_set)] * count
            events.append(_happening(replica_set, "SuccessfulCreate", "Created", count))
        elif missing < 0:
            victims = victims_of(active, claims.pods, min(-missing, BURST_MAX), now)
            planned += [_deletion(pod) for pod in victims]
            events.append(_happening(replica_set, "SuccessfulDelete", "Deleted", len(victims)))
    status, again_s = _status(replica_set, claims.pods, active, now)
    if status != replica_set.status:
        changed = objects.copied(replica_set)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    return Plan(tuple(planned), tuple(events), again_s)


def _is_ending(snapshot: Snapshot, namespace: str) -> bool:
    """Return whether the namespace accepts no new pods and its old ones go anyway."""
    found = snapshot.get(NAMESPACE, namespace)
    return found is not None and is_deleting(found.metadata)


def _claim(snapshot: Snapshot, replica_set: replica_set_pb2.ReplicaSet) -> _Claims:
    """Find the owned pods; adopt orphans that match, release owned pods that do not."""
    metadata = replica_set.metadata
    own = owners.key_of(REPLICA_SET, replica_set)
    selector = objects.selector_of(replica_set.spec.selector)
    claims = _Claims([], [])
    for pod in snapshot.by_index(POD, BY_OWNER, own.text):
        if not own.controls(pod.metadata):
            continue
        if selector.matches(pod.metadata.labels):
            claims.pods.append(pod)
        elif not is_deleting(pod.metadata):
            kept = owners.references_without(pod.metadata, own)
            claims.writes.append(_set_owners(pod, kept))
    if is_deleting(metadata):
        return claims
    reference = owners.controller_reference(REPLICA_SET, replica_set)
    for pod in snapshot.by_index(POD, BY_ORPHAN_NAMESPACE, metadata.namespace):
        if is_active(pod) and selector.matches(pod.metadata.labels):
            others = owners.references_without(pod.metadata, own)
            claims.writes.append(_set_owners(pod, [*others, owners.reference_json(reference)]))
            claims.pods.append(pod)
    return claims


def _set_owners(pod: pod_pb2.Pod, references: list[dict[str, object]]) -> commit_pb2.Write:
    metadata = pod.metadata
    body = {"metadata": {"ownerReferences": references}}
    return writes.patch(
        POD,
        metadata.name,
        body,
        metadata.namespace,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )


def _creation(replica_set: replica_set_pb2.ReplicaSet) -> commit_pb2.Write:
    template = replica_set.spec.template
    pod = pod_pb2.Pod(spec=template.spec)
    metadata = pod.metadata
    # The API server completes the name: no randomness is needed here.
    metadata.generate_name = f"{replica_set.metadata.name}-"
    metadata.namespace = replica_set.metadata.namespace
    metadata.labels.update(template.metadata.labels)
    metadata.annotations.update(template.metadata.annotations)
    metadata.finalizers.extend(template.metadata.finalizers)
    metadata.owner_references.append(owners.controller_reference(REPLICA_SET, replica_set))
    return writes.create(pod)


def _deletion(pod: pod_pb2.Pod) -> commit_pb2.Write:
    return writes.delete(POD, pod.metadata.name, pod.metadata.namespace, uid=pod.metadata.uid)


def _happening(
    replica_set: replica_set_pb2.ReplicaSet, reason: str, did: str, count: int
) -> Happening:
    noun = "pod" if count == 1 else "pods"
    return Happening(replica_set, "Normal", reason, f"{did} {count} {noun}")


def victims_of(
    active: Sequence[pod_pb2.Pod], owned: Sequence[pod_pb2.Pod], count: int, now: Now
) -> list[pod_pb2.Pod]:
    """Return the ``count`` active pods that are missed least.

    In this order of weight: not assigned to a node; not running; not ready; a lower
    deletion cost; more siblings on the same node; ready for less time; more restarts;
    younger.
    """
    if count >= len(active):
        return list(active)
    siblings = Counter(pod.spec.node_name for pod in owned if not is_finished(pod))
    return sorted(active, key=lambda pod: _worth(pod, siblings[pod.spec.node_name], now))[:count]


def _worth(pod: pod_pb2.Pod, siblings: int, now: Now) -> tuple[float | str, ...]:
    ready = ready_condition(pod)
    is_ready = ready is not None and ready.status == "True"
    ready_for_s = (
        now.age_s(times.seconds_of(ready.last_transition_time)) if ready and is_ready else 0.0
    )
    return (
        bool(pod.spec.node_name),
        _PHASES.get(pod.status.phase, 1),
        is_ready,
        _deletion_cost(pod),
        -siblings if pod.spec.node_name else 0,
        ready_for_s,
        -max((status.restart_count for status in pod.status.container_statuses), default=0),
        -times.seconds_of(pod.metadata.creation_timestamp),
        pod.metadata.name,
    )


def _deletion_cost(pod: pod_pb2.Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(well_known.DELETION_COST, "0"))
    except ValueError:
        return 0


def _status(
    replica_set: replica_set_pb2.ReplicaSet,
    owned: Sequence[pod_pb2.Pod],
    active: Sequence[pod_pb2.Pod],
    now: Now,
) -> tuple[replica_set_pb2.ReplicaSetStatus, float | None]:
    """Return the status, and the seconds until the next ready pod becomes available."""
    template_labels = dict(replica_set.spec.template.metadata.labels)
    ready = available = labeled = 0
    soonest_s: float | None = None
    for pod in active:
        labels = pod.metadata.labels
        labeled += all(labels.get(key) == value for key, value in template_labels.items())
        wait_s = objects.available_in_s(pod, replica_set.spec.min_ready_seconds, now)
        if wait_s is not None:
            ready += 1
            available += wait_s == 0
            if wait_s and (soonest_s is None or wait_s < soonest_s):
                soonest_s = wait_s
    status = replica_set_pb2.ReplicaSetStatus(
        replicas=len(active),
        fully_labeled_replicas=labeled,
        ready_replicas=ready,
        available_replicas=available,
        terminating_replicas=sum(
            is_deleting(pod.metadata) and not is_finished(pod) for pod in owned
        ),
        observed_generation=replica_set.metadata.generation,
        conditions=replica_set.status.conditions,
    )
    return status, soonest_s
