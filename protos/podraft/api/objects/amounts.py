"""Requests for a node's resources, and the class of service that they give a pod.

Owns: the resources' names, how requests add up, and which class of service follows.

Invariants: amounts are integers, rounded up: CPU in thousandths, everything else in units; a
quantity of zero counts as not set for the class, as in Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from podraft.api import quantities
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2

CPU: Final = "cpu"
MEMORY: Final = "memory"
EPHEMERAL_STORAGE: Final = "ephemeral-storage"
PODS: Final = "pods"
# The resources that decide the class of service.
_COUNTED: Final = (CPU, MEMORY)


def amount_of(resource: str, quantity: meta_pb2.Quantity | str) -> int:
    """Return a quantity of a resource as an integer.

    Raises:
        InvalidQuantityError: The text is not a quantity.
    """
    return quantities.milli(quantity) if resource == CPU else quantities.whole(quantity)


def container_requests(container: container_pb2.Container) -> Iterator[tuple[str, int]]:
    """Yield each resource and amount that a container requests; raise as `amount_of` does."""
    for name, quantity in container.resources.requests.items():
        if name != PODS:  # A pod counts as one pod, whatever it requests.
            yield name, amount_of(name, quantity)


def pod_requests(spec: pod_pb2.PodSpec) -> dict[str, int]:
    """Return a pod's requests: the sum of its containers', but at least any init container's.

    Init containers run before the others, one at a time, so the largest counts.

    Raises:
        InvalidQuantityError: A request is not a quantity.
    """
    amounts: dict[str, int] = {}
    for container in spec.containers:
        for name, amount in container_requests(container):
            amounts[name] = amounts.get(name, 0) + amount
    for container in spec.init_containers:
        for name, amount in container_requests(container):
            amounts[name] = max(amounts.get(name, 0), amount)
    return amounts


def qos_class(spec: pod_pb2.PodSpec) -> str:
    """Return a pod's class of service: Guaranteed, Burstable or BestEffort.

    Raises:
        InvalidQuantityError: An amount is not a quantity.
    """
    any_set, guaranteed = False, True
    for container in _containers(spec):
        requests, limits = container.resources.requests, container.resources.limits
        for name in _COUNTED:
            limit = _amount(limits, name)
            # A resource with a limit but no request is requested up to its limit.
            request = _amount(requests, name) if name in requests else limit
            any_set = any_set or request is not None or limit is not None
            if request is None or limit is None or quantities.compare(request, limit) != 0:
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _containers(spec: pod_pb2.PodSpec) -> Iterable[container_pb2.Container]:
    yield from spec.init_containers
    yield from spec.containers


def _amount(amounts: Mapping[str, meta_pb2.Quantity], name: str) -> meta_pb2.Quantity | None:
    # These are protobuf's maps, in which looking up an absent key would add it.
    if name not in amounts or quantities.compare(amounts[name], "0") == 0:
        return None
    return amounts[name]
