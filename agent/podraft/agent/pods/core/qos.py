"""A pod's quality of service class, and what it means to the kernel's out-of-memory killer."""

from __future__ import annotations

from podraft.api import quantities
from podraft.api.core.v1 import pod_pb2

_COUNTED = ("cpu", "memory")
_OOM_SCORES = {"Guaranteed": -997, "Burstable": 500, "BestEffort": 1000}


def qos_class(spec: pod_pb2.PodSpec) -> str:
    """Return Guaranteed, Burstable or BestEffort as Kubernetes derives it."""
    containers = [*spec.init_containers, *spec.containers]
    guaranteed = True
    any_set = False
    for container in containers:
        for name in _COUNTED:
            limit = container.resources.limits.get(name)
            request = container.resources.requests.get(name, limit)
            any_set = any_set or limit is not None or request is not None
            if limit is None or request is None or quantities.compare(limit, request) != 0:
                guaranteed = False
    if guaranteed and containers:
        return "Guaranteed"
    return "Burstable" if any_set else "BestEffort"


def oom_score_adjustment(spec: pod_pb2.PodSpec) -> int:
    """Return how much sooner (higher) the kernel kills the pod when memory runs out."""
    return _OOM_SCORES[qos_class(spec)]
