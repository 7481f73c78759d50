"""The pods that a Job has too many or too few of.

Owns: which pods are ended, how many are made, for which indexes, and when.

Invariant: no more pods run at the same time than ``parallelism`` says, and for an index at most
one; with the policy ``Failed`` those that are ending count as running.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from podraft.api import times
from podraft.api.batch.v1 import job_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.moments import Now
from podraft.api.objects.pods import is_ready
from podraft.server.controllers.planners.jobs import backoff
from podraft.server.controllers.planners.jobs.pods import (
    INDEXED,
    REPLACE_LATE,
    Observed,
    ended_s,
    index_of,
)
from podraft.server.controllers.planners.jobs.tally import Tally
from podraft.server.kinds.shared.index_lists import Indexes

# How many pods are made or ended in one plan; more follow in the next.
BURST_MAX = 100


@dataclass(slots=True)
class Sizing:
    """The pods to end, the indexes (None: no index) to make pods for, and when to look again."""

    ended: list[pod_pb2.Pod] = field(default_factory=list)
    made: list[int | None] = field(default_factory=list)
    again_s: list[float] = field(default_factory=list)


def size(job: job_pb2.Job, seen: Observed, counts: Tally, now: Now) -> Sizing:
    """Return what a job that goes on has too many or too few of."""
    if job.spec.completion_mode == INDEXED:
        return _by_index(job.spec, seen, counts, now)
    return _alike(job.spec, seen, counts, now)


def _alike(spec: job_pb2.JobSpec, seen: Observed, counts: Tally, now: Now) -> Sizing:
    sizing = Sizing()
    if spec.HasField("completions"):
        wanted = min(spec.parallelism, max(0, spec.completions - counts.succeeded))
    else:
        # Once one pod has succeeded the others finish their work, and no further ones come.
        wanted = len(seen.active) if counts.succeeded else spec.parallelism
    excess = len(seen.active) - wanted
    if excess > 0:
        sizing.ended = sorted(seen.active, key=_worth)[: min(excess, BURST_MAX)]
        return sizing
    missing = -excess - _ending(spec, seen)
    if missing > 0 and not _pauses(sizing, seen, now):
        sizing.made = [None] * min(missing, BURST_MAX)
    return sizing


def _by_index(spec: job_pb2.JobSpec, seen: Observed, counts: Tally, now: Now) -> Sizing:
    sizing = Sizing()
    done = counts.completed | counts.given_up
    running = dict[int, pod_pb2.Pod]()
    for pod in sorted(seen.active, key=_worth, reverse=True):
        index = index_of(pod)
        is_needed = index is not None and index < spec.completions and index not in done
        if index is None or not is_needed or index in running:
            sizing.ended.append(pod)
        else:
            running[index] = pod
    for index in sorted(running, reverse=True)[: max(0, len(running) - spec.parallelism)]:
        sizing.ended.append(running.pop(index))
    sizing.ended = sizing.ended[:BURST_MAX]
    if sizing.ended:
        return sizing
    taken = done | Indexes.of(running)
    if spec.pod_replacement_policy == REPLACE_LATE:
        taken |= Indexes.of(i for pod in seen.terminating if (i := index_of(pod)) is not None)
    free = min(spec.parallelism - len(running) - _ending(spec, seen), BURST_MAX)
    if free > 0 and (spec.HasField("backoff_limit_per_index") or not _pauses(sizing, seen, now)):
        _fill(sizing, taken.missing(spec.completions), free, counts, now)
    return sizing


def _fill(sizing: Sizing, indexes: Iterable[int], free: int, counts: Tally, now: Now) -> None:
    for index in indexes:
        if len(sizing.made) >= free:
            return
        record = counts.records.get(index)
        if record is not None:
            failed_s = ended_s(record.pod)
            left_s = backoff.left_s(record.failures, failed_s, now)
            if left_s > 0:
                sizing.again_s.append(left_s)
                continue
        sizing.made.append(index)


def _ending(spec: job_pb2.JobSpec, seen: Observed) -> int:
    return len(seen.terminating) if spec.pod_replacement_policy == REPLACE_LATE else 0


def _pauses(sizing: Sizing, seen: Observed, now: Now) -> bool:
    ended = (*seen.counted, *seen.failed, *seen.succeeded)
    succeeded = [pod for pod in ended if pod.status.phase == "Succeeded"]
    failed = [pod for pod in ended if pod.status.phase != "Succeeded"]
    left_s = backoff.pause_left_s(failed, succeeded, now)
    if left_s > 0:
        sizing.again_s.append(left_s)
    return left_s > 0


def _worth(pod: pod_pb2.Pod) -> tuple[bool, bool, bool, float, str]:
    """Return how much a pod is missed: less if it has not come far, or came later."""
    return (
        bool(pod.spec.node_name),
        pod.status.phase == "Running",
        is_ready(pod),
        -times.seconds_of(pod.metadata.creation_timestamp),
        pod.metadata.name,
    )
