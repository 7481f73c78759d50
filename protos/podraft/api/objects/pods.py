"""The state of a pod: finished, one of its owner's replicas, ready for requests.

Owns: which phases are final, and the default restart policy.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting

PHASES: Final = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
FINAL_PHASES: Final = frozenset(("Succeeded", "Failed"))
READY: Final = "Ready"

RESTART_ALWAYS: Final = "Always"
RESTART_ON_FAILURE: Final = "OnFailure"
RESTART_NEVER: Final = "Never"
RESTART_POLICIES: Final = (RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER)
DEFAULT_SCHEDULER: Final = "default-scheduler"


def restart_policy(spec: pod_pb2.PodSpec) -> str:
    """Return a pod's restart policy; Always if it names none."""
    return spec.restart_policy or RESTART_ALWAYS


def is_finished(pod: pod_pb2.Pod) -> bool:
    """Return whether all of a pod's containers have ended for good."""
    return pod.status.phase in FINAL_PHASES


def is_active(pod: pod_pb2.Pod) -> bool:
    """Return whether a pod counts as one of its owner's replicas."""
    return not is_finished(pod) and not is_deleting(pod.metadata)


def ready_condition(pod: pod_pb2.Pod) -> pod_pb2.PodCondition | None:
    """Return the pod's Ready condition, or None if it has none."""
    return conditions.find(pod.status.conditions, READY)


def is_ready(pod: pod_pb2.Pod) -> bool:
    """Return whether a pod may get traffic."""
    return conditions.is_true(pod.status.conditions, READY)
