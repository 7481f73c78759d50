"""One pass over a DaemonSet: its revision, its nodes, its rollout, its status.

Owns: the order of these steps and the writes that they become.

Invariants: a node that should have a pod has one, or one is being made or ended there; pods that
no node should have are ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from podraft.api import times
from podraft.api.apps.v1 import daemon_set_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.kinds import DAEMON_SET, NODE
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished
from podraft.api.objects.workloads import DEFAULT_HISTORY_LIMIT
from podraft.client.calls import writes
from podraft.server.controllers.core import objects, revisions
from podraft.server.controllers.core.claiming import claim, deletion, is_namespace_ending
from podraft.server.controllers.core.plan import Happening, ObjectKey, Plan, Snapshot
from podraft.server.controllers.planners.daemon_sets import placing, rolling
from podraft.server.controllers.planners.daemon_sets.rolling import OnNode

# How many pods are made or ended in one plan; more follow in the next.
BURST_MAX = 200
_AGAIN_S = 0.05
# A pod that ended by itself is replaced when it is so old, lest it end again and again.
_LIFE_MIN_S = 10.0


@dataclass(slots=True)
class _Pass:
    """The decisions of one pass so far."""

    daemon_set: daemon_set_pb2.DaemonSet
    now: Now
    hash: str
    nodes: dict[str, node_pb2.Node]
    wanted: dict[str, OnNode] = field(default_factory=dict)
    misplaced: set[str] = field(default_factory=set)
    ended: list[pod_pb2.Pod] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one DaemonSet."""
    daemon_set = snapshot.get(DAEMON_SET, key.name, key.namespace)
    if daemon_set is None or is_deleting(daemon_set.metadata):
        return Plan()
    selector = objects.selector_of(daemon_set.spec.selector)
    claims = claim(snapshot, DAEMON_SET, daemon_set, selector)
    if claims.writes:
        # Ownership comes first: a claimed pod changes the numbers.
        return Plan(tuple(claims.writes[:BURST_MAX]), requeue_after_s=_AGAIN_S)
    collisions = daemon_set.status.collision_count
    current = revisions.revised(snapshot, DAEMON_SET, daemon_set, collisions)
    nodes = {node.metadata.name: node for node in snapshot.list(NODE)}
    work = _Pass(daemon_set, now, current.hash, nodes)
    planned = [] if current.write is None else [current.write]
    _look(work, claims.pods)
    if not is_namespace_ending(snapshot, key.namespace):
        _roll(work)
    work.ended, work.made = work.ended[:BURST_MAX], work.made[:BURST_MAX]
    planned += [deletion(pod) for pod in work.ended]
    planned += [_creation(work, name) for name in work.made]
    planned += _forgotten(snapshot, work, claims.pods)
    status = _status(work, current.collisions)
    if status != daemon_set.status:
        changed = objects.copied(daemon_set)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    return Plan(tuple(planned), tuple(_events(work)), min(work.again_s, default=None))


def _look(work: _Pass, pods: list[pod_pb2.Pod]) -> None:
    """Sort the pods by their nodes; end those that no node should have, or twice."""
    hosts = placing.hosts_of(work.nodes.values())
    by_node = dict[str, list[pod_pb2.Pod]]()
    for pod in pods:
        if is_finished(pod) and not is_deleting(pod.metadata):
            _end_finished(work, pod)
        elif not is_deleting(pod.metadata):
            by_node.setdefault(placing.node_of(pod, hosts), []).append(pod)
    spec = work.daemon_set.spec.template.spec
    ending = {placing.node_of(pod, hosts) for pod in pods if is_deleting(pod.metadata)}
    for name, node in work.nodes.items():
        mine = by_node.pop(name, [])
        if is_deleting(node.metadata) or not placing.fits(spec, node, has_pod=bool(mine)):
            work.ended += mine
            if mine or name in ending:
                work.misplaced.add(name)
            continue
        on_node = _on_node(work, mine)
        work.wanted[name] = on_node
        # A pod that is ending holds its ports and files until it is gone.
        if on_node.new is None and on_node.old is None and name not in ending:
            work.made.append(name)
    for strays in by_node.values():
        # Their node is gone; those that are assigned end with it.
        work.ended += [pod for pod in strays if not pod.spec.node_name]


def _end_finished(work: _Pass, pod: pod_pb2.Pod) -> None:
    left_s = _LIFE_MIN_S - work.now.age_s(times.seconds_of(pod.metadata.creation_timestamp))
    if left_s > 0:
        work.again_s.append(left_s)
    else:
        work.ended.append(pod)


def _on_node(work: _Pass, pods: list[pod_pb2.Pod]) -> OnNode:
    """Return what a node has; of two alike the one that came first stays."""
    found = OnNode()
    for pod in objects.oldest_first(pods):
        wait_s = objects.available_in_s(pod, work.daemon_set.spec.min_ready_seconds, work.now)
        if wait_s:
            work.again_s.append(wait_s)
        is_new = pod.metadata.labels.get(well_known.REVISION_HASH_LABEL) == work.hash
        if is_new and found.new is None:
            found.new, found.new_is_available = pod, wait_s == 0
        elif not is_new and found.old is None:
            found.old, found.old_is_available = pod, wait_s == 0
        else:
            work.ended.append(pod)
    return found


def _roll(work: _Pass) -> None:
    step = rolling.step(work.daemon_set, work.wanted)
    work.ended += step.ended
    work.made += step.made


def _creation(work: _Pass, name: str) -> commit_pb2.Write:
    daemon_set = work.daemon_set
    template = daemon_set.spec.template
    pod = pod_pb2.Pod(spec=template.spec)
    metadata = pod.metadata
    metadata.generate_name = f"{daemon_set.metadata.name}-"
    metadata.namespace = daemon_set.metadata.namespace
    metadata.labels.update(template.metadata.labels)
    metadata.labels[well_known.REVISION_HASH_LABEL] = work.hash
    metadata.annotations.update(template.metadata.annotations)
    metadata.finalizers.extend(template.metadata.finalizers)
    metadata.owner_references.append(owners.controller_reference(DAEMON_SET, daemon_set))
    tolerations = placing.tolerations_of(template.spec)
    del pod.spec.tolerations[:]
    pod.spec.tolerations.extend(tolerations)
    placing.place(pod, work.nodes[name])
    return writes.create(pod)


def _forgotten(snapshot: Snapshot, work: _Pass, pods: list[pod_pb2.Pod]) -> list[commit_pb2.Write]:
    spec = work.daemon_set.spec
    limit = DEFAULT_HISTORY_LIMIT
    if spec.HasField("revision_history_limit"):
        limit = spec.revision_history_limit
    in_use = {pod.metadata.labels.get(well_known.REVISION_HASH_LABEL, "") for pod in pods}
    known = revisions.owned(snapshot, DAEMON_SET, work.daemon_set)
    return revisions.forgotten(known, limit, work.hash, in_use)


def _status(work: _Pass, collisions: int) -> daemon_set_pb2.DaemonSetStatus:
    status = daemon_set_pb2.DaemonSetStatus()
    status.CopyFrom(work.daemon_set.status)
    found = list(work.wanted.values())
    available = sum(one.new_is_available or one.old_is_available for one in found)
    status.desired_number_scheduled = len(found)
    status.current_number_scheduled = sum(
        one.new is not None or one.old is not None for one in found
    )
    status.number_misscheduled = len(work.misplaced)
    status.number_ready = sum(_is_ready(work, one) for one in found)
    status.updated_number_scheduled = sum(one.new is not None for one in found)
    status.number_available = available
    status.number_unavailable = len(found) - available
    status.observed_generation = work.daemon_set.metadata.generation
    if collisions:
        status.collision_count = collisions
    return status


def _is_ready(work: _Pass, on_node: OnNode) -> bool:
    return any(
        pod is not None and objects.available_in_s(pod, 0, work.now) is not None
        for pod in (on_node.new, on_node.old)
    )


def _events(work: _Pass) -> list[Happening]:
    found = []
    for reason, did, count in (
        ("SuccessfulCreate", "Created", len(work.made)),
        ("SuccessfulDelete", "Deleted", len(work.ended)),
    ):
        if count:
            noun = "pod" if count == 1 else "pods"
            found.append(Happening(work.daemon_set, "Normal", reason, f"{did} {count} {noun}"))
    return found
