"""The ReplicaSet controller's decisions: as many pods as are wanted.

Owns: how many pods are created and deleted, which ones, the ReplicaSet's status.

Invariants: pods are deleted in the order in which they are missed least; creations and deletions
never share a plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from podraft.api import times
from podraft.api.apps.v1 import replica_set_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import REPLICA_SET
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_active, is_finished, ready_condition
from podraft.api.objects.workloads import replicas
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.claiming import claim, deletion, is_namespace_ending
from podraft.server.controllers.core.plan import Happening, ObjectKey, Plan, Snapshot

# The number of pods created or deleted in one plan; more follow in the next.
BURST_MAX = 1000
_PHASES = {"Pending": 0, "": 0, "Unknown": 1, "Running": 2}


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one ReplicaSet's pods and status towards its spec."""
    replica_set = snapshot.get(REPLICA_SET, key.name, key.namespace)
    if replica_set is None:
        return Plan()
    selector = objects.selector_of(replica_set.spec.selector)
    claims = claim(snapshot, REPLICA_SET, replica_set, selector)
    active = [pod for pod in claims.pods if is_active(pod)]
    planned, events = list(claims.writes), list[Happening]()
    if not is_deleting(replica_set.metadata) and not is_namespace_ending(snapshot, key.namespace):
        missing = replicas(replica_set.spec) - len(active)
        if missing > 0:
            count = min(missing, BURST_MAX)
            planned += [_creation(replica_set)] * count
            events.append(_happening(replica_set, "SuccessfulCreate", "Created", count))
        elif missing < 0:
            victims = victims_of(active, claims.pods, min(-missing, BURST_MAX), now)
            planned += [deletion(pod) for pod in victims]
            events.append(_happening(replica_set, "SuccessfulDelete", "Deleted", len(victims)))
    status, again_s = _status(replica_set, claims.pods, active, now)
    if status != replica_set.status:
        changed = objects.copied(replica_set)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    return Plan(tuple(planned), tuple(events), again_s)


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
