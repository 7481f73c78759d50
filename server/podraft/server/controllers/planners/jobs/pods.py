"""The pods of one Job, sorted by what they mean for it.

Owns: when a pod of a job has ended, whether it failed, when, and for which index it ran.

Invariant: a pod is counted exactly once: it has the tracking finalizer until the transaction that
adds it to the job's counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podraft.api import times
from podraft.api.batch.v1 import job_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished, ready_condition
from podraft.api.objects.workloads import number

INDEXED = "Indexed"
# With this policy a pod counts, and is replaced, when it has ended; else when its end begins.
REPLACE_LATE = "Failed"


@dataclass(slots=True)
class Observed:
    """The pods of a job.

    Attributes:
        active: Those that have not ended and are not being deleted.
        terminating: Those that are being deleted and have not ended.
        succeeded: Those that succeeded and are not counted.
        failed: Those that count as failed and are not counted.
        counted: Those that ended and are counted, as long as they are there.
    """

    active: list[pod_pb2.Pod]
    terminating: list[pod_pb2.Pod]
    succeeded: list[pod_pb2.Pod]
    failed: list[pod_pb2.Pod]
    counted: list[pod_pb2.Pod]


def observe(job: job_pb2.Job, pods: Iterable[pod_pb2.Pod]) -> Observed:
    """Sort the pods of a job."""
    seen = Observed([], [], [], [], [])
    late = job.spec.pod_replacement_policy == REPLACE_LATE
    for pod in pods:
        ended = has_ended(pod)
        if not ended:
            (seen.terminating if is_deleting(pod.metadata) else seen.active).append(pod)
        if not is_tracked(pod):
            if ended:
                seen.counted.append(pod)
        elif pod.status.phase == "Succeeded":
            seen.succeeded.append(pod)
        elif ended or (is_deleting(pod.metadata) and not late):
            seen.failed.append(pod)
    return seen


def is_tracked(pod: pod_pb2.Pod) -> bool:
    """Return whether a pod is still to be counted."""
    return well_known.JOB_TRACKING_FINALIZER in pod.metadata.finalizers


def has_ended(pod: pod_pb2.Pod) -> bool:
    """Return whether nothing of a pod runs any more.

    A deleted pod without a grace period is on no node, or its node has confirmed its end.
    """
    metadata = pod.metadata
    return is_finished(pod) or (
        is_deleting(metadata)
        and metadata.HasField("deletion_grace_period_seconds")
        and metadata.deletion_grace_period_seconds == 0
    )


def index_of(pod: pod_pb2.Pod) -> int | None:
    """Return the index for which a pod of an Indexed job runs; None if it says none."""
    return number(pod.metadata.annotations, well_known.COMPLETION_INDEX)


def failures_before(pod: pod_pb2.Pod) -> int:
    """Return how many pods had failed for the pod's index before it was made."""
    return number(pod.metadata.annotations, well_known.INDEX_FAILURES) or 0


def ended_s(pod: pod_pb2.Pod) -> float:
    """Return the stamp of a pod's end, as well as it is known."""
    found = [
        times.seconds_of(status.state.terminated.finished_at)
        for status in pod.status.container_statuses
        if status.state.HasField("terminated")
    ]
    if any(found):
        return max(found)
    if is_deleting(pod.metadata):
        return times.seconds_of(pod.metadata.deletion_timestamp)
    ready = ready_condition(pod)
    if ready is not None and ready.HasField("last_transition_time"):
        return times.seconds_of(ready.last_transition_time)
    return times.seconds_of(pod.metadata.creation_timestamp)
