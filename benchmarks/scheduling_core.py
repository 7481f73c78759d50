"""The number of pods per second that the scheduler's core decides, records included.

.venv/bin/python benchmarks/scheduling_core.py [NODES ...]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod
from podraft.server.scheduling.core.demand import PendingPod, Profiles
from podraft.server.scheduling.core.schedule import Scheduler
from podraft.server.scheduling.core.table import NodeTable

PODS = 3000
BATCH = 256


def make_node(index: int, uniform: bool) -> Node:
    """Return a ready node; nodes' sizes differ unless ``uniform``."""
    node = Node()
    node.metadata.name = f"node-{index:05}"
    node.metadata.labels["zone"] = f"z{index % 3}"
    size = 8 if uniform else 4 + index % 13
    for name, amount in (("cpu", str(size)), ("memory", f"{4 * size}Gi"), ("pods", "110")):
        node.status.allocatable[name].string = amount
    node.status.conditions.add(type="Ready", status="True")
    return node


def make_pod(index: int, templates: int) -> Pod:
    """Return a pod of one of ``templates`` owners."""
    template = index % templates
    pod = Pod()
    pod.metadata.name = f"pod-{index}"
    pod.metadata.namespace = "default"
    pod.metadata.uid = f"uid-{index}"
    pod.metadata.owner_references.add(uid=f"owner-{template}", controller=True)
    container = pod.spec.containers.add(name="main", image=f"image-{template}")
    container.resources.requests["cpu"].string = f"{10 + template}m"
    container.resources.requests["memory"].string = "64Mi"
    if template % 2:
        pod.spec.node_selector["zone"] = "z1"
    return pod


def measure(nodes: int, templates: int, uniform: bool) -> float:
    """Return the seconds that scheduling all pods takes."""
    table = NodeTable()
    for index in range(nodes):
        table.set_node(make_node(index, uniform))
    profiles, scheduler = Profiles(), Scheduler(table)
    pods = [make_pod(index, templates) for index in range(PODS)]
    began = time.perf_counter()
    for start in range(0, PODS, BATCH):
        pending: list[PendingPod] = [profiles.pending(pod) for pod in pods[start : start + BATCH]]
        decisions = scheduler.schedule(pending)
        if any(decision.node is None for decision in decisions):
            raise RuntimeError("a pod found no node")
    return time.perf_counter() - began


def main(arguments: list[str], write: Callable[[str], None] = print) -> None:
    """Print one line per cluster size and workload."""
    write(f"{'nodes':>6} {'templates':>9} {'cluster':>8} {'ms/pod':>8} {'pods/s':>8}")
    for nodes in [int(argument) for argument in arguments] or [1000, 5000]:
        for templates in (1, 20, 100):
            for uniform in (True, False):
                seconds = measure(nodes, templates, uniform)
                shape = "uniform" if uniform else "mixed"
                write(
                    f"{nodes:>6} {templates:>9} {shape:>8} "
                    f"{1000 * seconds / PODS:>8.3f} {PODS / seconds:>8.0f}"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
