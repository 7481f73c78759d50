"""The selector of a Job: the server's own choice, unless the user insists.

Owns: the labels by which the pods of a job are told from those of every other one.
"""

from __future__ import annotations

from podraft.api.batch.v1.job_pb2 import Job
from podraft.api.objects import well_known
from podraft.server.kinds.apps.workloads import check_selector
from podraft.server.kinds.report import Report


def generate_selector(job: Job) -> None:
    """Add the labels that say whose pods they are, and the selector that asks for them."""
    if job.spec.manual_selector:
        return
    for label, value in _labels(job).items():
        job.spec.template.metadata.labels.setdefault(label, value)
    if not job.spec.selector.match_labels.get(well_known.JOB_UID_LABEL):
        job.spec.selector.match_labels[well_known.JOB_UID_LABEL] = job.metadata.uid


def _labels(job: Job) -> dict[str, str]:
    return {
        well_known.OLD_JOB_NAME_LABEL: job.metadata.name,
        well_known.JOB_NAME_LABEL: job.metadata.name,
        well_known.OLD_JOB_UID_LABEL: job.metadata.uid,
        well_known.JOB_UID_LABEL: job.metadata.uid,
    }


def check_job_selector(job: Job, report: Report) -> None:
    """Check that the selector is the server's choice, or matches the user's own labels."""
    spec = job.spec
    if spec.manual_selector:
        check_selector(spec.selector, spec.template.metadata, report)
        return
    for label, value in _labels(job).items():
        if spec.template.metadata.labels[label] != value:
            what = f'must be left out, or "{value}": the server says whose pods they are'
            report.add(f"spec.template.metadata.labels[{label}]", what)
    expected = {well_known.JOB_UID_LABEL: job.metadata.uid}
    if dict(spec.selector.match_labels) != expected or spec.selector.match_expressions:
        report.add("spec.selector", "must be left out, unless manualSelector is true")
