"""The tables of the group ``batch``, whose objects come to an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds, times
from podraft.api.batch.v1 import cron_job_pb2, job_pb2
from podraft.api.columns import ages
from podraft.api.columns.column import (
    AGE,
    NAME,
    NONE,
    TEMPLATE,
    Column,
    Table,
    containers,
    images,
    selector_text,
)
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting


def _status(job: job_pb2.Job, now_s: float) -> str:
    for ended in ("Complete", "Failed"):
        if conditions.is_true(job.status.conditions, ended):
            return ended
    if is_deleting(job.metadata):
        return "Terminating"
    for state in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if conditions.is_true(job.status.conditions, state):
            return state
    return "Running"


def _completions(job: job_pb2.Job, now_s: float) -> str:
    spec, succeeded = job.spec, job.status.succeeded
    if spec.HasField("completions"):
        return f"{succeeded}/{spec.completions}"
    if spec.parallelism > 1:
        return f"{succeeded}/1 of {spec.parallelism}"
    return f"{succeeded}/1"


def _duration(job: job_pb2.Job, now_s: float) -> str:
    status = job.status
    if not status.HasField("start_time"):
        return ""
    is_done = status.HasField("completion_time")
    end_s = times.seconds_of(status.completion_time) if is_done else now_s
    return ages.human_duration(end_s - times.seconds_of(status.start_time))


def _last_schedule(cron_job: cron_job_pb2.CronJob, now_s: float) -> str:
    if not cron_job.status.HasField("last_schedule_time"):
        return NONE
    return ages.age(cron_job.status.last_schedule_time, now_s)


_JOB = (
    NAME,
    Column("STATUS", _status, is_status=True),
    Column("COMPLETIONS", _completions),
    Column("DURATION", _duration),
    AGE,
    *TEMPLATE,
)
_CRON_JOB = (
    NAME,
    Column("SCHEDULE", lambda cron, now_s: cron.spec.schedule),
    Column("TIMEZONE", lambda cron, now_s: cron.spec.time_zone or NONE),
    Column("SUSPEND", lambda cron, now_s: str(cron.spec.suspend)),
    Column("ACTIVE", lambda cron, now_s: str(len(cron.status.active))),
    Column("LAST SCHEDULE", _last_schedule),
    AGE,
    Column(
        "CONTAINERS",
        lambda cron, now_s: containers(cron.spec.job_template.spec.template.spec),
        wide=True,
    ),
    Column(
        "IMAGES", lambda cron, now_s: images(cron.spec.job_template.spec.template.spec), wide=True
    ),
    Column(
        "SELECTOR",
        lambda cron, now_s: selector_text(cron.spec.job_template.spec.selector),
        wide=True,
    ),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.JOB: Table(_JOB),
    kinds.CRON_JOB: Table(_CRON_JOB),
}
