"""How a Node is told: how it is, what runs on it and what that asks for."""

from __future__ import annotations

from collections.abc import Sequence

from podraft.api import quantities
from podraft.api.columns.pod_words import pod_words
from podraft.api.core.v1 import container_pb2, node_pb2, pod_pb2
from podraft.api.objects.pods import is_finished
from podraft.cli.kinds.view import Need, Surroundings, View
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, Below, block, table
from podraft.cli.output.sections.templates import quantity_list


class NodeView(View[node_pb2.Node]):
    """A node: its own status, and the pods on it."""

    describe_needs = frozenset({Need.EVENTS, Need.NODE_PODS})

    def body(self, node: node_pb2.Node, around: Surroundings, now_s: float) -> list[str]:
        """Return the lines of a node without its events."""
        info = node.status.node_info
        taints = [f"{t.key}{f'={t.value}' if t.value else ''}:{t.effect}" for t in node.spec.taints]
        pairs = common.metadata(node.metadata, namespaced=False)
        pairs += [
            ("Taints", taints),
            ("Unschedulable", str(node.spec.unschedulable).lower()),
            ("Conditions", common.conditions(node.status.conditions)),
            ("Addresses", [f"{a.type}: {a.address}" for a in node.status.addresses]),
            ("Capacity", quantity_list(node.status.capacity)),
            ("Allocatable", quantity_list(node.status.allocatable)),
            ("Kernel Version", info.kernel_version or NONE),
            ("OS Image", info.os_image or NONE),
            ("Container Runtime", info.container_runtime_version or NONE),
            ("Agent Version", info.kubelet_version or NONE),
            ("PodCIDR", node.spec.pod_cidr or NONE),
        ]
        live = [pod for pod in around.pods if not is_finished(pod)]
        rows = [
            [
                pod.metadata.namespace,
                pod.metadata.name,
                quantities.format_milli(_requested(pod, "cpu")),
                quantities.format_bytes(-(-_requested(pod, "memory") // 1000)),
                pod_words(pod, now_s).status,
            ]
            for pod in live
        ]
        headers = ["Namespace", "Name", "CPU Requests", "Memory Requests", "Status"]
        pairs.append((f"Pods ({len(live)} in total)", Below(table(headers, rows) if rows else [])))
        pairs.append(("Allocated resources", _allocated(node, live)))
        return block(pairs)


def _requested(pod: pod_pb2.Pod, resource: str) -> int:
    """Return what a pod asks for, in thousandths: its containers, or the largest init one."""

    def of(containers: Sequence[container_pb2.Container]) -> list[int]:
        return [
            quantities.milli(c.resources.requests[resource])
            if resource in c.resources.requests
            else 0
            for c in containers
        ]

    return max(sum(of(pod.spec.containers)), *of(pod.spec.init_containers), 0)


def _allocated(node: node_pb2.Node, pods: Sequence[pod_pb2.Pod]) -> list[str]:
    lines = []
    for resource in ("cpu", "memory"):
        asked = sum(_requested(pod, resource) for pod in pods)
        there = 0
        if resource in node.status.allocatable:
            there = quantities.milli(node.status.allocatable[resource])
        share = f" ({asked * 100 // there}%)" if there else ""
        text = quantities.format_milli(asked) if resource == "cpu" else _mebibytes(asked)
        lines.append(f"{resource}: {text}{share}")
    return lines


def _mebibytes(milli_bytes: int) -> str:
    return f"{milli_bytes // 1000 // (1 << 20)}Mi"
