"""The Node lifecycle controller's decisions: what happens when a node falls silent.

Owns: the Ready condition of nodes whose Lease is not renewed, the taints that follow from
the Ready condition, the eviction of pods that do not tolerate them, and the removal of
pods whose node is gone.

Invariants: when no node at all renews its Lease, nothing is evicted, for then this side is
more likely cut off; a pod on a node that may come back is asked to end, never
removed.  Times are this process' own: what counts is when a Lease was seen to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podraft.api import times
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.kinds import LEASE, NODE, POD
from podraft.api.moments import Now
from podraft.api.objects import conditions, nodes
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import READY, is_active, is_ready
from podraft.api.objects.taints import NO_EXECUTE, tolerates
from podraft.api.objects.well_known import NODE_LEASE_NAMESPACE, NOT_READY_TAINT, UNREACHABLE_TAINT
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.plan import Absent, Happening, ObjectKey, Plan, Snapshot

# Pods, by the name of their node.
BY_NODE = "node"

WRITES_MAX = 500
_REASON = "NodeStatusUnknown"


@dataclass(frozen=True, slots=True)
class Options:
    """The bounds of silence.

    ``grace_s``: the seconds that a Lease may stay unrenewed.  ``not_ready_toleration_s``: the
    seconds that a pod without a toleration stays on a node whose agent lives but is not ready (on
    an unreachable node it does not stay at all).
    """

    grace_s: float = 20.0
    not_ready_toleration_s: float = 20.0


def plan(snapshot: Snapshot, key: ObjectKey, now: Now, options: Options) -> Plan:
    """Return the next step for one node and its pods, or for the pods of a node that is gone."""
    node = snapshot.get(NODE, key.name)
    pods = snapshot.by_index(POD, BY_NODE, key.name)
    if node is None:
        return _collect(key.name, pods)
    silent_in_s = _silent_in_s(snapshot, node, now, options)
    if silent_in_s is not None and silent_in_s <= 0 and not _is_given_up(node):
        return _lose(node, now)
    # A condition that only silence explains ends with the agent's next status, not here.
    step = _taint(snapshot, node, now, options) or _evict(node, pods, now, options)
    waits = [s for s in (silent_in_s, step.requeue_after_s) if s is not None and s > 0]
    return Plan(step.writes, step.events, min(waits, default=None))


def _silent_in_s(
    snapshot: Snapshot, node: node_pb2.Node, now: Now, options: Options
) -> float | None:
    """Return the seconds until the node has been silent for too long; None: it never spoke."""
    renewed = snapshot.changed_at(LEASE, node.metadata.name, NODE_LEASE_NAMESPACE)
    if renewed is None:
        heartbeat = nodes.ready_condition(node)
        if heartbeat is None:
            return None
        # The node has a status but no Lease: the time that it gave in its last status has to do.
        renewed = now.moment_s(times.seconds_of(heartbeat.last_heartbeat_time))
    return renewed + options.grace_s - now.steady_s


def _is_given_up(node: node_pb2.Node) -> bool:
    found = nodes.ready_condition(node)
    return found is not None and found.status == conditions.UNKNOWN


def _lose(node: node_pb2.Node, now: Now) -> Plan:
    """Set the conditions of a node of which nothing is known any more."""
    changed = objects.copied(node)
    known = {c.type for c in node.status.conditions if c.status != conditions.UNKNOWN}
    if nodes.ready_condition(node) is None:
        known.add(nodes.READY)
    for type_ in sorted(known):
        conditions.set_condition(
            changed.status.conditions,
            type_,
            conditions.UNKNOWN,
            objects.time_of(now),
            reason=_REASON,
            message="The agent stopped renewing the node's lease.",
        )
    note = f"Node {node.metadata.name} status is now: NodeNotReady"
    event = Happening(node, "Normal", "NodeNotReady", note)
    return Plan((writes.update_status(changed),), (event,))


def _collect(name: str, pods: Sequence[pod_pb2.Pod]) -> Plan:
    """Remove the pods of a node that does not exist: no agent will ever confirm their end."""
    planned = tuple(_force(pod) for pod in pods[:WRITES_MAX])
    if not planned:
        return Plan()
    return Plan(planned, absent=(Absent(NODE, "", name),))


def _force(pod: pod_pb2.Pod) -> commit_pb2.Write:
    metadata = pod.metadata
    return writes.delete(
        POD, metadata.name, metadata.namespace, grace_period_seconds=0, uid=metadata.uid
    )


def _taint(snapshot: Snapshot, node: node_pb2.Node, now: Now, options: Options) -> Plan | None:
    """Bring the node's taints in line with its Ready condition; return None if they are."""
    wanted = None if nodes.is_ready(node) else NOT_READY_TAINT
    if _is_given_up(node):
        wanted = UNREACHABLE_TAINT
    if wanted == UNREACHABLE_TAINT and not _anyone_alive(snapshot, now, options):
        return Plan(requeue_after_s=options.grace_s / 2)
    own = {(NOT_READY_TAINT, NO_EXECUTE), (UNREACHABLE_TAINT, NO_EXECUTE)}
    present = [taint.key for taint in node.spec.taints if (taint.key, taint.effect) in own]
    if present == ([wanted] if wanted else []):
        return None
    changed = objects.copied(node)
    del changed.spec.taints[:]
    changed.spec.taints.extend(
        taint for taint in node.spec.taints if (taint.key, taint.effect) not in own
    )
    if wanted:
        changed.spec.taints.add(key=wanted, effect=NO_EXECUTE, time_added=objects.time_of(now))
    return Plan((writes.update(changed),))


def _anyone_alive(snapshot: Snapshot, now: Now, options: Options) -> bool:
    """Return whether at least one node spoke lately."""
    for node in snapshot.list(NODE):
        silent_in_s = _silent_in_s(snapshot, node, now, options)
        if silent_in_s is not None and silent_in_s > 0:
            return True
    return False


def _evict(node: node_pb2.Node, pods: Sequence[pod_pb2.Pod], now: Now, options: Options) -> Plan:
    """Ask the pods that do not tolerate the node's taints any longer to end.

    The pods of an unreachable node are marked unready first, so that nobody sends them requests.
    """
    taints = [taint for taint in node.spec.taints if taint.effect == NO_EXECUTE]
    if not taints:
        return Plan()
    is_lost = any(taint.key == UNREACHABLE_TAINT for taint in taints)
    planned: list[commit_pb2.Write] = []
    events: list[Happening] = []
    waits: list[float] = []
    for pod in pods:
        left_s = None
        if is_active(pod):
            left_s = _tolerated_for_s(pod, taints, now, options)
        if left_s is not None and left_s <= 0:
            metadata = pod.metadata
            planned.append(writes.delete(POD, metadata.name, metadata.namespace, uid=metadata.uid))
            note = f"Pod does not tolerate the taints of node {node.metadata.name}"
            events.append(Happening(pod, "Normal", "TaintManagerEviction", note))
        elif is_lost and is_ready(pod) and not is_deleting(pod.metadata):
            planned.append(_unready(pod, now))
        if left_s is not None and left_s > 0:
            waits.append(left_s)
        if len(planned) >= WRITES_MAX:
            waits.append(0.05)
            break
    return Plan(tuple(planned), tuple(events), min(waits, default=None))


def _tolerated_for_s(
    pod: pod_pb2.Pod, taints: Sequence[node_pb2.Taint], now: Now, options: Options
) -> float | None:
    """Return the seconds that the pod may stay; None: for ever."""
    shortest: float | None = None
    for taint in taints:
        matching = [t for t in pod.spec.tolerations if tolerates(t, taint)]
        if any(not toleration.HasField("toleration_seconds") for toleration in matching):
            continue
        default_s = options.not_ready_toleration_s if taint.key == NOT_READY_TAINT else 0.0
        tolerated_s = min((t.toleration_seconds for t in matching), default=default_s)
        since_s = times.seconds_of(taint.time_added) if taint.HasField("time_added") else None
        left_s = tolerated_s - (0.0 if since_s is None else now.age_s(since_s))
        shortest = left_s if shortest is None else min(shortest, left_s)
    return shortest


def _unready(pod: pod_pb2.Pod, now: Now) -> commit_pb2.Write:
    changed = objects.copied(pod)
    conditions.set_condition(
        changed.status.conditions,
        READY,
        conditions.FALSE,
        objects.time_of(now),
        reason="NodeNotReady",
    )
    return writes.update_status(changed)
