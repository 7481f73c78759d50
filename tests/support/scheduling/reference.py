"""A slow scheduler, written from the rules and sharing no code with the real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from podraft.api.core.v1.container_pb2 import Container
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod, Toleration

SIZES = {"": 1, "k": 1000, "Ki": 1024, "Mi": 1 << 20, "Gi": 1 << 30}
UNITS = {"m": Fraction(1, 1000), **{unit: Fraction(size) for unit, size in SIZES.items()}}


def parse(text: str) -> Fraction:
    number = text.rstrip("mkKMGi")
    return Fraction(number) * UNITS[text[len(number) :]]


def requests(container: Container) -> dict[str, Fraction]:
    return {name: parse(q.string) for name, q in container.resources.requests.items()}


def effective(pod: Pod, defaults: dict[str, Fraction]) -> dict[str, Fraction]:
    """Return the containers' total per resource, or an init container's amount where larger."""
    total: dict[str, Fraction] = {}
    for container in pod.spec.containers:
        asked = defaults | requests(container)
        for name, amount in asked.items():
            total[name] = total.get(name, Fraction(0)) + amount
    for container in pod.spec.init_containers:
        for name, amount in requests(container).items():
            total[name] = max(total.get(name, Fraction(0)), amount)
    return {name: amount for name, amount in total.items() if amount}


def tolerates(tolerations: list[Toleration], key: str, value: str, effect: str) -> bool:
    for toleration in tolerations:
        if toleration.effect not in ("", effect):
            continue
        if toleration.operator == "Exists":
            if toleration.key in ("", key):
                return True
        elif (toleration.key, toleration.value) == (key, value):
            return True
    return False


@dataclass
class SlowCluster:
    nodes: dict[str, Node] = field(default_factory=dict)
    pods: dict[str, tuple[str, Pod]] = field(default_factory=dict)

    def on(self, node: str) -> list[Pod]:
        return [pod for where, pod in self.pods.values() if where == node]

    def free(self, node: str, resource: str) -> Fraction:
        allocatable = self.nodes[node].status.allocatable
        if resource == "pods":
            most = parse(allocatable["pods"].string) if "pods" in allocatable else Fraction(110)
            return most - len(self.on(node))
        has = parse(allocatable[resource].string) if resource in allocatable else Fraction(0)
        return has - sum(effective(pod, {}).get(resource, Fraction(0)) for pod in self.on(node))

    def reasons(self, pod: Pod, name: str) -> list[str]:
        """Return why the node cannot take the pod: all reasons of the first filter that refuses."""
        node, tolerations = self.nodes[name], list(pod.spec.tolerations)
        unschedulable = ("node.kubernetes.io/unschedulable", "", "NoSchedule")
        if node.spec.unschedulable and not tolerates(tolerations, *unschedulable):
            return ["node(s) were unschedulable"]
        taints = [(t.key, t.value, t.effect) for t in node.spec.taints]
        if not any(c.type == "Ready" and c.status == "True" for c in node.status.conditions):
            taints.append(("node.kubernetes.io/not-ready", "", "NoSchedule"))
        for key, value, effect in sorted(taints):
            if effect != "PreferNoSchedule" and not tolerates(tolerations, key, value, effect):
                return [f"node(s) had untolerated taint {{{key}: {value}}}"]
        for key, value in pod.spec.node_selector.items():
            if key not in node.metadata.labels or node.metadata.labels[key] != value:
                return ["node(s) didn't match Pod's node affinity/selector"]
        lacking = ["too many pods"] if self.free(name, "pods") < 1 else []
        for resource, amount in effective(pod, {}).items():
            if resource != "pods" and self.free(name, resource) < amount:
                lacking.append(f"insufficient {resource}")
        return lacking

    def score(self, pod: Pod, name: str) -> float:
        node, defaults = self.nodes[name], {"cpu": Fraction(1, 10), "memory": Fraction(200 << 20)}
        used = []
        for resource in ("cpu", "memory"):
            pods = [*self.on(name), pod]
            amount = sum(
                (effective(p, defaults).get(resource, Fraction(0)) for p in pods), Fraction(0)
            )
            has = parse(node.status.allocatable[resource].string)
            used.append(min(float(amount / has), 1.0))
        least = 100 * (1 - sum(used) / 2)
        balanced = 100 * (1 - abs(used[0] - used[1]) / 2)
        return least + balanced + 3 * self.taint_score(pod, name) + 2 * self.spread(pod, name)

    def taint_score(self, pod: Pod, name: str) -> float:
        def count(node: Node) -> int:
            soft = [t for t in node.spec.taints if t.effect == "PreferNoSchedule"]
            tolerations = list(pod.spec.tolerations)
            return len(
                {
                    (t.key, t.value)
                    for t in soft
                    if not tolerates(tolerations, t.key, t.value, t.effect)
                }
            )

        most = max(count(node) for node in self.nodes.values())
        return 100 - 100 * count(self.nodes[name]) / most if most else 100

    def spread(self, pod: Pod, name: str) -> float:
        def owner(p: Pod) -> str:
            return next((o.uid for o in p.metadata.owner_references if o.controller), "")

        if not owner(pod):
            return 0
        counts = {n: sum(owner(p) == owner(pod) for p in self.on(n)) for n in self.nodes}
        most = max(counts.values())
        return 100 * (most - counts[name]) / most if most else 0
