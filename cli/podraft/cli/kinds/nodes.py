"""The view of a Node: its state, the pods on it and the resources that they request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from podraft.api import quantities
from podraft.api.columns.pod_words import pod_words
from podraft.api.core.v1 import node_pb2
from podraft.api.objects.amounts import CPU, MEMORY, amount_of, pod_requests
from podraft.api.objects.pods import is_finished
from podraft.cli.kinds.view import Need, Surroundings, View
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, Below, block, table
from podraft.cli.output.sections.templates import quantity_list


class NodeView(View[node_pb2.Node]):
    """The view of a node: its own status, and the pods on it."""

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
        requests = [pod_requests(pod.spec) for pod in live]
        rows = [
            [
                pod.metadata.namespace,
                pod.metadata.name,
                quantities.format_milli(asked.get(CPU, 0)),
                quantities.format_bytes(asked.get(MEMORY, 0)),
                pod_words(pod, now_s).status,
            ]
            for pod, asked in zip(live, requests, strict=True)
        ]
        headers = ["Namespace", "Name", "CPU Requests", "Memory Requests", "Status"]
        pairs.append((f"Pods ({len(live)} in total)", Below(table(headers, rows) if rows else [])))
        pairs.append(("Allocated resources", _allocated(node, requests)))
        return block(pairs)


def _allocated(node: node_pb2.Node, requests: Sequence[Mapping[str, int]]) -> list[str]:
    lines = []
    for resource in (CPU, MEMORY):
        asked = sum(amounts.get(resource, 0) for amounts in requests)
        there = 0
        if resource in node.status.allocatable:
            there = amount_of(resource, node.status.allocatable[resource])
        share = f" ({asked * 100 // there}%)" if there else ""
        text = quantities.format_milli(asked) if resource == CPU else _mebibytes(asked)
        lines.append(f"{resource}: {text}{share}")
    return lines


def _mebibytes(amount: int) -> str:
    return f"{amount // (1 << 20)}Mi"
