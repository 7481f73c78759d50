"""How much of a node's resources a pod asks for, by Kubernetes' rules.

Owns: the resources' names, and how requests add up.

Invariant: amounts are integers, rounded up: CPU in thousandths, everything else in units.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podraft.api import quantities
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2

CPU: Final = "cpu"
MEMORY: Final = "memory"
EPHEMERAL_STORAGE: Final = "ephemeral-storage"
PODS: Final = "pods"


def amount_of(resource: str, quantity: meta_pb2.Quantity | str) -> int:
    """Return a quantity of a resource as an integer.

    Raises:
        InvalidQuantityError: It is no quantity.
    """
    return quantities.milli(quantity) if resource == CPU else quantities.whole(quantity)


def container_requests(container: container_pb2.Container) -> Iterator[tuple[str, int]]:
    """Yield what a container asks for; raises as `amount_of` does."""
    for name, quantity in container.resources.requests.items():
        if name != PODS:  # A pod is one pod, whatever it says.
            yield name, amount_of(name, quantity)


def pod_requests(spec: pod_pb2.PodSpec) -> dict[str, int]:
    """Return what a pod asks for: the sum of its containers, at least any init container.

    Init containers run before the others, one at a time, so the largest counts.

    Raises:
        InvalidQuantityError: A request is no quantity.
    """
    amounts: dict[str, int] = {}
    for container in spec.containers:
        for name, amount in container_requests(container):
            amounts[name] = amounts.get(name, 0) + amount
    for container in spec.init_containers:
        for name, amount in container_requests(container):
            amounts[name] = max(amounts.get(name, 0), amount)
    return amounts
