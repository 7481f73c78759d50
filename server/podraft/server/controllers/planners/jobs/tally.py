"""The counts of one Job: which pods ended, how, and what that means for its indexes.

Owns: adding pods that ended to the counts, and the failures of each index.

Invariant: a pod is added in the transaction that removes its tracking finalizer.  With a limit
for each index, the last pod that failed for an index stays uncounted until it is replaced or the
index is given up: it alone remembers how often the index failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from podraft.api.batch.v1 import job_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.server.controllers.planners.jobs.failure_policy import (
    COUNT,
    FAIL_INDEX,
    FAIL_JOB,
    IGNORE,
    Meaning,
    meaning_of,
)
from podraft.server.controllers.planners.jobs.pods import (
    INDEXED,
    Observed,
    failures_before,
    index_of,
)
from podraft.server.kinds.shared.index_lists import Indexes

# How many pods are counted in one plan; more follow in the next.
COUNTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Record:
    """The last pod that failed for an index, and how often pods failed for it."""

    pod: pod_pb2.Pod
    failures: int
    counts: bool


@dataclass(slots=True)
class Tally:
    """The counts after this plan.

    Attributes:
        succeeded: How many pods succeeded; in an Indexed job, how many indexes.
        failed: How many pods failed.
        completed: The indexes that succeeded.
        given_up: The indexes that failed for good.
        released: The pods that are counted now.
        records: The pods that remember the failures of indexes.
        fatal: Why the job fails because of a pod; empty: it does not.
        is_whole: Whether no pod is left to count.
    """

    succeeded: int
    failed: int
    completed: Indexes
    given_up: Indexes
    released: list[pod_pb2.Pod] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)
    fatal: str = ""
    is_whole: bool = True

    def replace(self, index: int) -> None:
        """Count the pod that remembers the failures of an index, as another one will do so."""
        record = self.records.pop(index)
        self.released.append(record.pod)
        self.failed += record.counts

    def close(self) -> None:
        """Count the pods that remember failures, as no further pod will be made."""
        for index in sorted(self.records):
            if len(self.released) >= COUNTED_MAX:
                self.is_whole = False
                return
            self.replace(index)

    @property
    def failed_in_all(self) -> int:
        """The failures that count, also those whose pods are still needed."""
        return self.failed + sum(record.counts for record in self.records.values())


def tally(job: job_pb2.Job, seen: Observed) -> Tally:
    """Count the pods that ended."""
    status, spec = job.status, job.spec
    end = spec.completions if spec.completion_mode == INDEXED else 0
    counts = Tally(
        status.succeeded,
        status.failed,
        _indexes(status.completed_indexes).below(end),
        _indexes(status.failed_indexes).below(end),
    )
    _count_successes(counts, seen.succeeded[:COUNTED_MAX], spec)
    counts.is_whole = len(seen.succeeded) <= COUNTED_MAX
    for pod in seen.failed:
        if len(counts.released) >= COUNTED_MAX:
            counts.is_whole = False
            break
        _count_failure(counts, pod, spec)
    return counts


def _indexes(text: str) -> Indexes:
    try:
        return Indexes.parse(text)
    except ValueError:
        return Indexes()  # Only a status from before the rules can be so.


def _count_successes(counts: Tally, pods: Sequence[pod_pb2.Pod], spec: job_pb2.JobSpec) -> None:
    counts.released += pods
    if spec.completion_mode == INDEXED:
        found = {index for pod in pods if (index := index_of(pod)) is not None}
        counts.completed |= Indexes.of(index for index in found if index < spec.completions)
        counts.succeeded = len(counts.completed)
    else:
        counts.succeeded += len(pods)


def _count_failure(counts: Tally, pod: pod_pb2.Pod, spec: job_pb2.JobSpec) -> None:
    meaning = Meaning(COUNT)
    if spec.HasField("pod_failure_policy") and pod.status.phase == "Failed":
        meaning = meaning_of(pod, spec.pod_failure_policy)
    if meaning.action == FAIL_JOB:
        counts.fatal = counts.fatal or meaning.why
    index = index_of(pod) if spec.HasField("backoff_limit_per_index") else None
    counts_too = meaning.action != IGNORE
    if index is None or not _is_open(counts, index, spec):
        counts.released.append(pod)
        counts.failed += counts_too
        return
    failures = failures_before(pod) + counts_too
    if meaning.action == FAIL_INDEX or failures > spec.backoff_limit_per_index:
        counts.given_up |= Indexes.of([index])
        counts.released.append(pod)
        counts.failed += 1
        if index in counts.records:
            counts.replace(index)
        return
    record = Record(pod, failures, counts_too)
    former = counts.records.get(index)
    if former is not None:
        # Of two pods for one index, the one that knows of more failures stays.
        if former.failures >= failures:
            counts.released.append(pod)
            counts.failed += counts_too
            return
        counts.replace(index)
    counts.records[index] = record


def _is_open(counts: Tally, index: int, spec: job_pb2.JobSpec) -> bool:
    return (
        index < spec.completions and index not in counts.completed and index not in counts.given_up
    )
