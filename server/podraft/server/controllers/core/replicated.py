"""The decisions about pods that are all alike: as many of one template as are wanted.

Owns: how many pods of a ReplicaSet or ReplicationController are created and deleted, which ones,
and the status that says so.

Invariants: pods are deleted in the order in which they are missed least; creations and deletions
never share a plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

from podraft.api import times
from podraft.api.apps.v1 import replica_set_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.core.v1.replication_controller_pb2 import ReplicationController
from podraft.api.kinds import AnyKind
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_active, is_finished, ready_condition
from podraft.api.objects.workloads import replicas
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.claiming import claim, deletion, is_namespace_ending
from podraft.server.controllers.core.plan import Happening, ObjectKey, Plan, Snapshot

Replicated: TypeAlias = replica_set_pb2.ReplicaSet | ReplicationController

# The number of pods created or deleted in one plan; more follow in the next.
BURST_MAX = 1000
_PHASES = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}


def plan(snapshot: Snapshot, kind: AnyKind, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one workload's pods and status towards its spec."""
    workload: Replicated | None = snapshot.get(kind, key.name, key.namespace)
    if workload is None:
        return Plan()
    claims = claim(snapshot, kind, workload, objects.selector_of(workload.spec.selector))
    active = [pod for pod in claims.pods if is_active(pod)]
    planned, events = list(claims.writes), list[Happening]()
    if not is_deleting(workload.metadata) and not is_namespace_ending(snapshot, key.namespace):
        missing = replicas(workload.spec) - len(active)
        if missing > 0:
            count = min(missing, BURST_MAX)
            planned += [_creation(kind, workload)] * count
            events.append(_happening(workload, "SuccessfulCreate", "Created", count))
        elif missing < 0:
            victims = victims_of(active, claims.pods, min(-missing, BURST_MAX), now)
            planned += [deletion(pod) for pod in victims]
            events.append(_happening(workload, "SuccessfulDelete", "Deleted", len(victims)))
    status, again_s = _status(workload, claims.pods, active, now)
    if status != workload.status:
        changed = objects.copied(workload)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    return Plan(tuple(planned), tuple(events), again_s)


def matters(old: pod_pb2.Pod, new: pod_pb2.Pod) -> bool:
    """Return whether the change of a pod may change what its workload does or says."""
    return (
        is_active(old) != is_active(new)
        or ready_condition(old) != ready_condition(new)
        or old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
    )


def _creation(kind: AnyKind, workload: Replicated) -> commit_pb2.Write:
    template = workload.spec.template
    pod = pod_pb2.Pod(spec=template.spec)
    metadata = pod.metadata
    # The API server completes the name: no randomness is needed here.
    metadata.generate_name = f"{workload.metadata.name}-"
    metadata.namespace = workload.metadata.namespace
    metadata.labels.update(template.metadata.labels)
    metadata.annotations.update(template.metadata.annotations)
    metadata.finalizers.extend(template.metadata.finalizers)
    metadata.owner_references.append(owners.controller_reference(kind, workload))
    return writes.create(pod)


def _happening(workload: Replicated, reason: str, did: str, count: int) -> Happening:
    noun = "pod" if count == 1 else "pods"
    return Happening(workload, "Normal", reason, f"{did} {count} {noun}")


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
    workload: Replicated,
    owned: Sequence[pod_pb2.Pod],
    active: Sequence[pod_pb2.Pod],
    now: Now,
) -> tuple[Any, float | None]:
    """Return the status, and the seconds until the next ready pod becomes available."""
    template_labels = dict(workload.spec.template.metadata.labels)
    ready = available = labeled = 0
    soonest_s: float | None = None
    conditions: Any = workload.status.conditions
    for pod in active:
        labels = pod.metadata.labels
        labeled += all(labels.get(key) == value for key, value in template_labels.items())
        wait_s = objects.available_in_s(pod, workload.spec.min_ready_seconds, now)
        if wait_s is not None:
            ready += 1
            available += wait_s == 0
            if wait_s and (soonest_s is None or wait_s < soonest_s):
                soonest_s = wait_s
    status = type(workload.status)(
        replicas=len(active),
        fully_labeled_replicas=labeled,
        ready_replicas=ready,
        available_replicas=available,
        observed_generation=workload.metadata.generation,
        conditions=conditions,
    )
    if isinstance(status, replica_set_pb2.ReplicaSetStatus):
        status.terminating_replicas = sum(
            is_deleting(pod.metadata) and not is_finished(pod) for pod in owned
        )
    return status, soonest_s
