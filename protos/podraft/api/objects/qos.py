"""A pod's quality of service class: what is promised to it when a node runs short.

Invariant: a quantity of zero counts as not set, as in Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podraft.api import quantities
from podraft.api.core.v1 import container_pb2, pod_pb2
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.amounts import CPU, MEMORY

_COUNTED = (CPU, MEMORY)


def qos_class(spec: pod_pb2.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort.

    Raises:
        InvalidQuantityError: An amount is no quantity.
    """
    any_set, guaranteed = False, True
    for container in _containers(spec):
        requests, limits = container.resources.requests, container.resources.limits
        for name in _COUNTED:
            limit = _amount(limits, name)
            # What is limited and not requested is requested up to its limit.
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
    # Looking up an absent key would add it: these maps are protobuf's.
    if name not in amounts or quantities.compare(amounts[name], "0") == 0:
        return None
    return amounts[name]
