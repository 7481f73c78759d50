"""Which nodes get a pod of a DaemonSet, and how a pod is bound to be there.

Owns: the nodes that a template fits, the tolerations that such pods always have, and the node
that a pod is meant for, also before it is assigned.

Invariant: a node that a pod may not be scheduled to any more keeps the pod that it has, unless a
taint ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from podraft.api.core.v1 import node_pb2, pod_pb2
from podraft.api.objects import well_known
from podraft.api.objects.taints import EXISTS, NO_EXECUTE, NO_SCHEDULE, is_tolerated

# What every such pod tolerates: it looks after nodes that others have to leave.
_TOLERATED: Final = (
    (well_known.NOT_READY_TAINT, NO_EXECUTE),
    (well_known.UNREACHABLE_TAINT, NO_EXECUTE),
    (well_known.DISK_PRESSURE_TAINT, NO_SCHEDULE),
    (well_known.MEMORY_PRESSURE_TAINT, NO_SCHEDULE),
    (well_known.PID_PRESSURE_TAINT, NO_SCHEDULE),
    (well_known.UNSCHEDULABLE_TAINT, NO_SCHEDULE),
)


def tolerations_of(spec: pod_pb2.PodSpec) -> list[pod_pb2.Toleration]:
    """Return the tolerations of the pods: the template's, and those of all such pods."""
    wanted = list(_TOLERATED)
    if spec.host_network:
        wanted.append((well_known.NETWORK_UNAVAILABLE_TAINT, NO_SCHEDULE))
    added = (pod_pb2.Toleration(key=key, operator=EXISTS, effect=effect) for key, effect in wanted)
    return [*spec.tolerations, *(one for one in added if one not in spec.tolerations)]


def fits(spec: pod_pb2.PodSpec, node: node_pb2.Node, *, has_pod: bool) -> bool:
    """Return whether a node should have a pod, or may keep the one that it has."""
    if spec.node_name and spec.node_name != node.metadata.name:
        return False
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in spec.node_selector.items()):
        return False
    tolerations = tolerations_of(spec)
    effects = (NO_EXECUTE,) if has_pod else (NO_EXECUTE, NO_SCHEDULE)
    return all(
        is_tolerated(taint, tolerations) for taint in node.spec.taints if taint.effect in effects
    )


def place(pod: pod_pb2.Pod, node: node_pb2.Node) -> None:
    """Bind a new pod to a node: by the label of its host name, so that the scheduler decides."""
    host = node.metadata.labels.get(well_known.HOSTNAME_LABEL)
    if host:
        pod.spec.node_selector[well_known.HOSTNAME_LABEL] = host
    else:
        pod.spec.node_name = node.metadata.name


def hosts_of(nodes: Iterable[node_pb2.Node]) -> dict[str, str]:
    """Return the names of nodes by the labels of their host names."""
    return {
        host: node.metadata.name
        for node in nodes
        if (host := node.metadata.labels.get(well_known.HOSTNAME_LABEL))
    }


def node_of(pod: pod_pb2.Pod, hosts: Mapping[str, str]) -> str:
    """Return the node that a pod is on or meant for; empty if there is none."""
    if pod.spec.node_name:
        return pod.spec.node_name
    return hosts.get(pod.spec.node_selector.get(well_known.HOSTNAME_LABEL, ""), "")
