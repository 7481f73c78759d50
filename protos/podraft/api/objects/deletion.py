"""The deletion of objects: whether it has begun, and how long a pod's may take.

Owns: the default grace period of a pod, and the longest one.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2

DEFAULT_GRACE_S: Final = 30
GRACE_S_MAX: Final = 10 * 365 * 86_400


def is_deleting(metadata: meta_pb2.ObjectMeta) -> bool:
    """Return whether the object's deletion has begun."""
    return metadata.HasField("deletion_timestamp")


def spec_grace_s(spec: pod_pb2.PodSpec) -> int:
    """Return how many seconds a pod's containers have to end by themselves, by its spec."""
    if not spec.HasField("termination_grace_period_seconds"):
        return DEFAULT_GRACE_S
    return min(max(spec.termination_grace_period_seconds, 0), GRACE_S_MAX)


def grace_s(pod: pod_pb2.Pod) -> int:
    """Return a pod's grace period in seconds: that of its deletion, else that of its spec."""
    metadata = pod.metadata
    if metadata.HasField("deletion_grace_period_seconds"):
        return metadata.deletion_grace_period_seconds
    return spec_grace_s(pod.spec)
