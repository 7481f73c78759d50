"""The changes that a Job's spec allows once it exists.

Owns: what stays for ever, and what may change while no pod of the job has run.
"""

from __future__ import annotations

from typing import Final

from podraft.api.batch.v1.job_pb2 import Job, JobSpec
from podraft.api.core.v1.pod_pb2 import PodTemplateSpec
from podraft.api.objects import conditions
from podraft.server.kinds.batch.job.spec import INDEXED
from podraft.server.kinds.report import Report

_FIXED: Final = (
    "selector",
    "manual_selector",
    "completion_mode",
    "pod_failure_policy",
    "backoff_limit_per_index",
    "success_policy",
    "managed_by",
)
# What says where pods may run, of a suspended job.
_PLACING: Final = ("node_selector", "tolerations", "affinity", "scheduling_gates")


def check_job_change(stored: Job, job: Job, report: Report) -> None:
    """Check the difference between the stored job and the new one."""
    before, after = stored.spec, job.spec
    for name in _FIXED:
        if getattr(before, name) != getattr(after, name) or _has(before, name) != _has(after, name):
            json_name = JobSpec.DESCRIPTOR.fields_by_name[name].json_name
            report.add(f"spec.{json_name}", "cannot be changed: make a new object")
    _check_completions(before, after, report)
    _check_template(stored, job, report)


def _has(spec: JobSpec, name: str) -> bool:
    return spec.HasField(name)


def _check_completions(before: JobSpec, after: JobSpec, report: Report) -> None:
    if before.completions == after.completions and _has(before, "completions") == _has(
        after, "completions"
    ):
        return
    is_elastic = (
        before.completion_mode == INDEXED
        and after.HasField("completions")
        and after.completions == after.parallelism
        and before.completions == before.parallelism
    )
    if not is_elastic:
        report.add(
            "spec.completions",
            "can only be changed in an Indexed job, together with parallelism and to its value",
        )


def _check_template(stored: Job, job: Job, report: Report) -> None:
    before, after = PodTemplateSpec(), PodTemplateSpec()
    before.CopyFrom(stored.spec.template)
    after.CopyFrom(job.spec.template)
    is_asleep = stored.spec.suspend and (
        not stored.status.HasField("start_time")
        or (conditions.is_true(stored.status.conditions, "Suspended") and not stored.status.active)
    )
    if is_asleep:
        for template in (before, after):
            template.ClearField("metadata")
            for field in _PLACING:
                if field in template.spec.DESCRIPTOR.fields_by_name:
                    template.spec.ClearField(field)
    if before != after:
        what = "cannot be changed: make a new object"
        if is_asleep:
            what += ", or change only metadata and where the pods may run"
        report.add("spec.template", what)
