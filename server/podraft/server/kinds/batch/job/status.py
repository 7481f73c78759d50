"""The status of a Job: counts, indexes and ends that readers can rely on."""

from __future__ import annotations

from typing import Final

from podraft.api.batch.v1.job_pb2 import Job
from podraft.api.objects import conditions
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.conditions import (
    check_conditions,
    check_counts,
    check_time,
    has_at_most,
)
from podraft.server.kinds.shared.index_lists import Indexes

UNCOUNTED_MAX: Final = 10_000


def check_job_status(job: Job, report: Report) -> None:
    """Check a Job's status."""
    status = job.status
    check_counts(status, report)
    check_conditions(status.conditions, report, short=False)
    for index, condition in enumerate(status.conditions):
        path = f"status.conditions[{index}].lastProbeTime"
        check_time(condition.last_probe_time, path, report)
    check_time(status.start_time, "status.startTime", report)
    check_time(status.completion_time, "status.completionTime", report)
    for name, text in (
        ("completedIndexes", status.completed_indexes),
        ("failedIndexes", status.failed_indexes),
    ):
        try:
            Indexes.parse(text)
        except ValueError as error:
            report.add(f"status.{name}", f"{error}, is {shown(text)}")
    for name, uids in (
        ("succeeded", status.uncounted_terminated_pods.succeeded),
        ("failed", status.uncounted_terminated_pods.failed),
    ):
        path = f"status.uncountedTerminatedPods.{name}"
        if has_at_most(UNCOUNTED_MAX, uids, path, report) and len(set(uids)) < len(uids):
            report.add(path, "must have each uid once")
    if all(conditions.is_true(status.conditions, type_) for type_ in ("Complete", "Failed")):
        report.add("status.conditions", "must not be both Complete and Failed")
