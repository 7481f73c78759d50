"""The end of objects: whether it has begun, and how long a pod may take for it.

Owns: the grace period of a pod that says none, and the longest that there is.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2

DEFAULT_GRACE_S: Final = 30
MAX_GRACE_S: Final = 10 * 365 * 86_400


def is_deleting(metadata: meta_pb2.ObjectMeta) -> bool:
    """Say whether the object's deletion has begun."""
    return metadata.HasField("deletion_timestamp")


def spec_grace_s(spec: pod_pb2.PodSpec) -> int:
    """Return how many seconds the containers of a pod have to end by themselves."""
    if not spec.HasField("termination_grace_period_seconds"):
        return DEFAULT_GRACE_S
    return min(max(spec.termination_grace_period_seconds, 0), MAX_GRACE_S)


def grace_s(pod: pod_pb2.Pod) -> int:
    """Return the seconds that a pod has: those that its deletion gave, else those of its spec."""
    metadata = pod.metadata
    if metadata.HasField("deletion_grace_period_seconds"):
        return metadata.deletion_grace_period_seconds
    return spec_grace_s(pod.spec)
