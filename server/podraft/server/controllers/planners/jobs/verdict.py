"""Whether a Job is decided: that it has succeeded, or that it has failed.

Owns: the order in which the reasons are asked, and their words.

Invariant: what was decided once stays so: the condition that says it is stored before the pods
that are not needed any more are ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api import times
from podraft.api.batch.v1 import job_pb2
from podraft.api.moments import Now
from podraft.api.objects import conditions
from podraft.api.objects.pods import RESTART_ON_FAILURE
from podraft.server.controllers.planners.jobs.pods import INDEXED, Observed
from podraft.server.controllers.planners.jobs.tally import Tally
from podraft.server.kinds.shared.index_lists import Indexes

# The conditions of what is decided, and of what is so when the last pod has ended.
SUCCESS = "SuccessCriteriaMet"
FAILURE = "FailureTarget"
FINAL = {SUCCESS: "Complete", FAILURE: "Failed"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision: the condition's type, reason and message."""

    type: str
    reason: str
    message: str


def decided(job: job_pb2.Job) -> Verdict | None:
    """Return what was decided before."""
    for type_ in (SUCCESS, FAILURE):
        found = conditions.find(job.status.conditions, type_)
        if found is not None and found.status == conditions.TRUE:
            return Verdict(type_, found.reason, found.message)
    return None


def finished(job: job_pb2.Job) -> job_pb2.JobCondition | None:
    """Return the condition that says how the job ended, if it has."""
    for type_ in FINAL.values():
        found = conditions.find(job.status.conditions, type_)
        if found is not None and found.status == conditions.TRUE:
            return found
    return None


def verdict_of(job: job_pb2.Job, seen: Observed, counts: Tally, now: Now) -> Verdict | None:
    """Return what is decided; None: nothing is."""
    return (
        decided(job)
        or _failure(job, seen, counts, now)
        or _success_by_policy(job.spec, counts)
        or _failure_of_indexes(job.spec, counts)
        or _success(job.spec, seen, counts)
    )


def deadline_left_s(job: job_pb2.Job, now: Now) -> float | None:
    """Return the seconds until the job takes too long; None: it may take for ever."""
    if not job.spec.HasField("active_deadline_seconds") or job.spec.suspend:
        return None
    if not job.status.HasField("start_time"):
        return float(job.spec.active_deadline_seconds)
    return job.spec.active_deadline_seconds - now.age_s(times.seconds_of(job.status.start_time))


def _failure(job: job_pb2.Job, seen: Observed, counts: Tally, now: Now) -> Verdict | None:
    if counts.fatal:
        return Verdict(FAILURE, "PodFailurePolicy", counts.fatal)
    limit = job.spec.backoff_limit
    if counts.failed_in_all > limit or _restarts_too_often(job.spec, seen):
        message = f"pods failed more often than backoffLimit ({limit}) allows"
        return Verdict(FAILURE, "BackoffLimitExceeded", message)
    left_s = deadline_left_s(job, now)
    if left_s is not None and left_s <= 0:
        message = f"it took longer than {job.spec.active_deadline_seconds} seconds"
        return Verdict(FAILURE, "DeadlineExceeded", message)
    return None


def _restarts_too_often(spec: job_pb2.JobSpec, seen: Observed) -> bool:
    """Return whether containers that are started again in their pods failed too often."""
    if spec.template.spec.restart_policy != RESTART_ON_FAILURE:
        return False
    restarts = sum(
        status.restart_count
        for pod in seen.active
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts >= max(1, spec.backoff_limit)


def _success_by_policy(spec: job_pb2.JobSpec, counts: Tally) -> Verdict | None:
    for position, rule in enumerate(spec.success_policy.rules):
        found, needed = len(counts.completed), spec.completions
        if rule.succeeded_indexes:
            try:
                wanted = Indexes.parse(rule.succeeded_indexes)
            except ValueError:
                continue  # Only a job from before the rules can have such a one.
            found, needed = counts.completed.common(wanted), len(wanted)
        if rule.HasField("succeeded_count"):
            needed = rule.succeeded_count
        if found >= needed:
            return Verdict(SUCCESS, "SuccessPolicy", f"rule {position} of successPolicy holds")
    return None


def _failure_of_indexes(spec: job_pb2.JobSpec, counts: Tally) -> Verdict | None:
    failed = len(counts.given_up)
    if not failed:
        return None
    if spec.HasField("max_failed_indexes") and failed > spec.max_failed_indexes:
        message = f"more indexes failed than maxFailedIndexes ({spec.max_failed_indexes}) allows"
        return Verdict(FAILURE, "MaxFailedIndexesExceeded", message)
    if failed + len(counts.completed) >= spec.completions:
        return Verdict(FAILURE, "FailedIndexes", "some of the indexes failed")
    return None


def _success(spec: job_pb2.JobSpec, seen: Observed, counts: Tally) -> Verdict | None:
    if spec.completion_mode == INDEXED or spec.HasField("completions"):
        is_done = counts.succeeded >= spec.completions
    else:
        is_done = counts.succeeded > 0 and not seen.active
    if not is_done:
        return None
    return Verdict(SUCCESS, "CompletionsReached", "as many pods succeeded as must")
