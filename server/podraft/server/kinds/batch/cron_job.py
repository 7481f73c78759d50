"""CronJobs: a schedule in a time zone, and the template of its jobs."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.batch.v1.cron_job_pb2 import CronJob, CronJobSpec
from podraft.api.violations import shown
from podraft.server.kinds.batch.job.spec import (
    check_job_spec,
    default_patterns,
    default_spec_of_pods,
)
from podraft.server.kinds.metadata import check_template_metadata
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_time, has_at_most
from podraft.server.kinds.shared.schedules import (
    InvalidScheduleError,
    check_schedule,
    is_zone,
)

# A job's name adds a dash and up to ten digits, and becomes a label's value.
NAME_MAX: Final = 52
ACTIVE_MAX: Final = 10_000
DEFAULT_SUCCESSFUL_LIMIT: Final = 3
DEFAULT_FAILED_LIMIT: Final = 1
_POLICIES: Final = ("Allow", "Forbid", "Replace")


def _check_name(name: str) -> str | None:
    if len(name) > NAME_MAX:
        return f"must be at most {NAME_MAX} characters, is {len(name)}"
    return names.dns_subdomain(name)


def _default(cron_job: CronJob) -> None:
    """Fill in the fields that a CronJob leaves out; its jobs get theirs when they are made."""
    spec = cron_job.spec
    if not spec.concurrency_policy:
        spec.concurrency_policy = "Allow"
    if not spec.HasField("suspend"):
        spec.suspend = False
    if not spec.HasField("successful_jobs_history_limit"):
        spec.successful_jobs_history_limit = DEFAULT_SUCCESSFUL_LIMIT
    if not spec.HasField("failed_jobs_history_limit"):
        spec.failed_jobs_history_limit = DEFAULT_FAILED_LIMIT
    default_patterns(spec.job_template.spec)
    default_spec_of_pods(spec.job_template.spec)


def _check(cron_job: CronJob, report: Report) -> None:
    """Check a CronJob."""
    spec = cron_job.spec
    _check_times(spec, report)
    report.one_of("spec.concurrencyPolicy", spec.concurrency_policy, _POLICIES)
    for name, value in (
        ("startingDeadlineSeconds", spec.starting_deadline_seconds),
        ("successfulJobsHistoryLimit", spec.successful_jobs_history_limit),
        ("failedJobsHistoryLimit", spec.failed_jobs_history_limit),
    ):
        report.at_least(f"spec.{name}", value, 0)
    template, path = spec.job_template, "spec.jobTemplate"
    check_template_metadata(template.metadata, f"{path}.metadata", report)
    if template.spec.HasField("selector"):
        report.add(f"{path}.spec.selector", "must be left out: the server chooses that of each job")
    if template.spec.manual_selector:
        report.add(f"{path}.spec.manualSelector", "must not be true: the jobs share one template")
    check_job_spec(template.spec, f"{path}.spec", report)


def _check_times(spec: CronJobSpec, report: Report) -> None:
    if not spec.schedule:
        report.required("spec.schedule")
    else:
        try:
            check_schedule(spec.schedule)
        except InvalidScheduleError as error:
            report.add("spec.schedule", f"{error}, got {shown(spec.schedule)}")
    if spec.HasField("time_zone") and not is_zone(spec.time_zone):
        what = (
            f"expected the name of a time zone, such as Europe/Zurich, got {shown(spec.time_zone)}"
        )
        report.add("spec.timeZone", what)


def _check_status(cron_job: CronJob, report: Report) -> None:
    """Check a CronJob's status."""
    status = cron_job.status
    has_at_most(ACTIVE_MAX, status.active, "status.active", report)
    check_time(status.last_schedule_time, "status.lastScheduleTime", report)
    check_time(status.last_successful_time, "status.lastSuccessfulTime", report)


RULES: Final[Rules[CronJob]] = Rules(
    check_name=_check_name,
    default=_default,
    check=_check,
    check_status=_check_status,
    keeps_spelling=True,
)
