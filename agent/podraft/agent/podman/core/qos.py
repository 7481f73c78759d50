"""The meaning of a pod's quality of service class for the kernel's out-of-memory killer."""

from __future__ import annotations

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.amounts import qos_class

_OOM_SCORES = {"Guaranteed": -997, "Burstable": 500, "BestEffort": 1000}


def oom_score_adjustment(spec: pod_pb2.PodSpec) -> int:
    """Return how much sooner (higher) the kernel kills the pod when memory runs out."""
    return _OOM_SCORES[qos_class(spec)]
