"""One pass over a CronJob: tidy its jobs, make the one that is due, report.

Owns: which time is due, what becomes of a former job that still runs, how many jobs are kept.

Invariants: there is at most one job for each time, as its name follows from the time and the
time is noted in the transaction that makes the job; a time that was missed is made up for once,
the latest one only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from podraft.api import times
from podraft.api.batch.v1 import cron_job_pb2, job_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import reference_pb2
from podraft.api.kinds import CRON_JOB, JOB
from podraft.api.meta.v1 import requests_pb2
from podraft.api.moments import Now
from podraft.api.objects import conditions, owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.claiming import is_namespace_ending
from podraft.server.controllers.core.indexes import BY_OWNER
from podraft.server.controllers.core.plan import Happening, ObjectKey, Plan, Snapshot
from podraft.server.kinds.shared.schedules import (
    InvalidScheduleError,
    check_schedule,
    is_zone,
    latest_time,
    times_after,
)

# How many jobs are removed in one plan; more follow in the next.
REMOVED_MAX = 100
_DEFAULT_SUCCESSFUL = 3
_DEFAULT_FAILED = 1
_AGAIN_S = 0.05


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one CronJob."""
    cron_job = snapshot.get(CRON_JOB, key.name, key.namespace)
    if cron_job is None or is_deleting(cron_job.metadata):
        return Plan()
    own = owners.key_of(CRON_JOB, cron_job)
    jobs = [job for job in snapshot.by_index(JOB, BY_OWNER, own.text) if own.controls(job.metadata)]
    running = [job for job in jobs if not _end_of(job)]
    status = cron_job_pb2.CronJobStatus()
    status.CopyFrom(cron_job.status)
    del status.active[:]
    status.active.extend(_reference(job) for job in objects.oldest_first(running))
    _note_success(status, jobs)
    planned, events = list[commit_pb2.Write](), list[Happening]()
    removed = _superfluous(cron_job.spec, jobs)
    planned += [_deletion(job) for job in removed[:REMOVED_MAX]]
    is_ending = is_namespace_ending(snapshot, key.namespace)
    again_s = None
    if not cron_job.spec.suspend and not is_ending and _is_usable(cron_job, events):
        _keep_time(snapshot, cron_job, running, status, now, planned, events)
        upcoming = times_after(cron_job.spec.schedule, cron_job.spec.time_zone, now.wall_s)
        next_s = next(upcoming, None)
        again_s = None if next_s is None else max(0.0, next_s - now.wall_s)
    if status != cron_job.status:
        changed = objects.copied(cron_job)
        changed.status.CopyFrom(status)
        planned.append(writes.update_status(changed))
    if len(removed) > REMOVED_MAX:
        again_s = _AGAIN_S
    return Plan(tuple(planned), tuple(events), again_s)


def _is_usable(cron_job: cron_job_pb2.CronJob, events: list[Happening]) -> bool:
    """Return whether the schedule can be followed; only one from before the rules cannot."""
    spec = cron_job.spec
    try:
        check_schedule(spec.schedule)
        if not spec.time_zone or is_zone(spec.time_zone):
            return True
        why = f"there is no time zone {spec.time_zone}"
    except InvalidScheduleError as error:
        why = str(error)
    events.append(Happening(cron_job, "Warning", "UnparseableSchedule", why))
    return False


def _keep_time(
    snapshot: Snapshot,
    cron_job: cron_job_pb2.CronJob,
    running: Sequence[job_pb2.Job],
    status: cron_job_pb2.CronJobStatus,
    now: Now,
    planned: list[commit_pb2.Write],
    events: list[Happening],
) -> None:
    """Make the job that is due, if one is, and note its time."""
    due_s = _due_s(cron_job, now)
    if due_s is None:
        return
    spec, namespace = cron_job.spec, cron_job.metadata.namespace
    if spec.concurrency_policy == "Forbid" and running:
        note = f"a job still runs: {running[0].metadata.name}"
        events.append(Happening(cron_job, "Normal", "JobAlreadyActive", note))
        return
    name = f"{cron_job.metadata.name}-{int(due_s) // 60}"
    status.last_schedule_time.CopyFrom(times.time_at(due_s))
    found = snapshot.get(JOB, name, namespace)
    if found is not None:
        if not owners.key_of(CRON_JOB, cron_job).controls(found.metadata):
            note = f"the name {name} is taken by a job of somebody else"
            events.append(Happening(cron_job, "Warning", "FailedCreate", note))
        return
    if spec.concurrency_policy == "Replace":
        planned += [_deletion(job) for job in running[:REMOVED_MAX]]
        del status.active[:]
    made = _job(cron_job, name, due_s)
    planned.append(writes.create(made))
    status.active.append(_reference(made))
    events.append(Happening(cron_job, "Normal", "SuccessfulCreate", f"Created job {name}"))


def _due_s(cron_job: cron_job_pb2.CronJob, now: Now) -> float | None:
    """Return the latest time that is due and has no job yet."""
    spec, status = cron_job.spec, cron_job.status
    since = cron_job.metadata.creation_timestamp
    if status.HasField("last_schedule_time"):
        since = status.last_schedule_time
    since_s = float(times.seconds_of(since))
    if spec.HasField("starting_deadline_seconds"):
        since_s = max(since_s, now.wall_s - spec.starting_deadline_seconds)
    return latest_time(spec.schedule, spec.time_zone, since_s, now.wall_s)


def _job(cron_job: cron_job_pb2.CronJob, name: str, due_s: float) -> job_pb2.Job:
    template = cron_job.spec.job_template
    job = job_pb2.Job(spec=template.spec)
    metadata = job.metadata
    metadata.name, metadata.namespace = name, cron_job.metadata.namespace
    metadata.labels.update(template.metadata.labels)
    metadata.annotations.update(template.metadata.annotations)
    zone = ZoneInfo(cron_job.spec.time_zone) if cron_job.spec.time_zone else UTC
    due = datetime.fromtimestamp(due_s, zone).isoformat(timespec="seconds")
    metadata.annotations[well_known.SCHEDULED_TIME] = due.replace("+00:00", "Z")
    metadata.owner_references.append(owners.controller_reference(CRON_JOB, cron_job))
    return job


def _reference(job: job_pb2.Job) -> reference_pb2.ObjectReference:
    metadata = job.metadata
    reference = reference_pb2.ObjectReference(
        kind=JOB.name,
        api_version=JOB.api_version,
        namespace=metadata.namespace,
        name=metadata.name,
    )
    if metadata.uid:
        reference.uid = metadata.uid
    return reference


def _end_of(job: job_pb2.Job) -> str:
    """Return how a job ended; empty if it has not."""
    for end in ("Complete", "Failed"):
        if conditions.is_true(job.status.conditions, end):
            return end
    return ""


def _note_success(status: cron_job_pb2.CronJobStatus, jobs: Sequence[job_pb2.Job]) -> None:
    latest_s = times.seconds_of(status.last_successful_time)
    for job in jobs:
        completed = job.status.completion_time
        if _end_of(job) == "Complete" and times.seconds_of(completed) > latest_s:
            latest_s = times.seconds_of(completed)
            status.last_successful_time.CopyFrom(completed)


def _superfluous(spec: cron_job_pb2.CronJobSpec, jobs: Sequence[job_pb2.Job]) -> list[job_pb2.Job]:
    """Return the oldest of the jobs that ended, beyond those that are kept."""
    found = list[job_pb2.Job]()
    for end, is_said, limit, default in (
        (
            "Complete",
            spec.HasField("successful_jobs_history_limit"),
            spec.successful_jobs_history_limit,
            _DEFAULT_SUCCESSFUL,
        ),
        (
            "Failed",
            spec.HasField("failed_jobs_history_limit"),
            spec.failed_jobs_history_limit,
            _DEFAULT_FAILED,
        ),
    ):
        ended = [job for job in jobs if _end_of(job) == end and not is_deleting(job.metadata)]
        excess = len(ended) - (limit if is_said else default)
        found += objects.oldest_first(ended)[: max(0, excess)]
    return found


def _deletion(job: job_pb2.Job) -> commit_pb2.Write:
    return writes.delete(
        JOB,
        job.metadata.name,
        job.metadata.namespace,
        propagation=requests_pb2.PROPAGATION_POLICY_BACKGROUND,
        uid=job.metadata.uid,
    )
