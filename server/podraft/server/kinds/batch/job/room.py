"""The rules of Jobs: defaults, checks, changes and the status, put together."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.batch.v1.job_pb2 import Job
from podraft.server.kinds.batch.job.changes import check_job_change
from podraft.server.kinds.batch.job.selector import check_job_selector, generate_selector
from podraft.server.kinds.batch.job.spec import INDEXED, check_job_spec, default_job_spec
from podraft.server.kinds.batch.job.status import check_job_status
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

# The name becomes the value of a label of the job's pods.
NAME_MAX: Final = 63


def check_job_name(name: str) -> str | None:
    """Check the name of a job."""
    if len(name) > NAME_MAX:
        return f"must be at most {NAME_MAX} characters, is {len(name)}"
    return names.dns_subdomain(name)


def _default(job: Job) -> None:
    """Fill in the fields that a Job leaves out, and the selector that the server chooses."""
    spec = job.spec
    if not spec.HasField("parallelism") and not spec.HasField("completions"):
        spec.completions = 1
    if not spec.HasField("parallelism"):
        spec.parallelism = 1
    default_job_spec(spec)
    generate_selector(job)
    if not job.metadata.labels:
        job.metadata.labels.update(spec.template.metadata.labels)


def _check(job: Job, report: Report) -> None:
    """Check a Job."""
    check_job_spec(job.spec, "spec", report)
    check_job_selector(job, report)
    if job.spec.completion_mode == INDEXED and job.spec.completions > 0:
        host = f"{job.metadata.name}-{job.spec.completions - 1}"
        if job.metadata.name and names.dns_label(host) is not None:
            what = f'must be that of a host: the pods of an Indexed job are hosts, such as "{host}"'
            report.add("metadata.name", what)


RULES: Final[Rules[Job]] = Rules(
    check_name=check_job_name,
    default=_default,
    check=_check,
    check_change=check_job_change,
    check_status=check_job_status,
    keeps_spelling=True,
)
