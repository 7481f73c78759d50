"""The spec of a Job, or of the template of jobs: its defaults and its rules.

Owns: everything but the selector and the policies for failure and success.
"""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.batch.v1.job_pb2 import JobSpec
from podraft.api.objects.pods import RESTART_NEVER, RESTART_ON_FAILURE
from podraft.api.violations import shown
from podraft.server.kinds.batch.job.policies import check_failure_policy, check_success_policy
from podraft.server.kinds.core.pod.spec import check_spec, default_spec
from podraft.server.kinds.metadata import check_template_metadata
from podraft.server.kinds.report import Report

INDEXED: Final = "Indexed"
NON_INDEXED: Final = "NonIndexed"
DEFAULT_BACKOFF_LIMIT: Final = 6
# With a limit for each index there is none for the job as a whole.
NO_BACKOFF_LIMIT: Final = 2**31 - 1
# The status holds the indexes, and with them the pods that run at the same time.
INDEXED_PARALLELISM_MAX: Final = 100_000
MANY_COMPLETIONS: Final = 100_000
MANY_FAILED_MAX: Final = 10_000
MANAGER_MAX: Final = 63
REPLACE_SOON: Final = "TerminatingOrFailed"
REPLACE_LATE: Final = "Failed"


def default_job_spec(spec: JobSpec) -> None:
    """Fill in the fields that do not depend on the job's identity."""
    if not spec.HasField("backoff_limit"):
        per_index = spec.HasField("backoff_limit_per_index")
        spec.backoff_limit = NO_BACKOFF_LIMIT if per_index else DEFAULT_BACKOFF_LIMIT
    if not spec.completion_mode:
        spec.completion_mode = NON_INDEXED
    if not spec.HasField("suspend"):
        spec.suspend = False
    if not spec.pod_replacement_policy:
        has_policy = spec.HasField("pod_failure_policy")
        spec.pod_replacement_policy = REPLACE_LATE if has_policy else REPLACE_SOON
    default_patterns(spec)
    default_spec_of_pods(spec)


def default_patterns(spec: JobSpec) -> None:
    """Fill in the statuses of conditions that a policy for failures leaves out."""
    for rule in spec.pod_failure_policy.rules:
        for pattern in rule.on_pod_conditions:
            if not pattern.status:
                pattern.status = "True"


def default_spec_of_pods(spec: JobSpec) -> None:
    """Fill in what the template of the pods leaves out.

    The restart policy has no default: that of pods would be one that no job can have.
    """
    is_said = spec.template.spec.restart_policy
    default_spec(spec.template.spec)
    if not is_said:
        spec.template.spec.ClearField("restart_policy")


def check_job_spec(spec: JobSpec, field: str, report: Report) -> None:
    """Check what is to be done, apart from the selector."""
    for name, value in (
        ("parallelism", spec.parallelism),
        ("completions", spec.completions),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
    ):
        report.at_least(f"{field}.{name}", value, 0)
    _check_template(spec, f"{field}.template", report)
    _check_modes(spec, field, report)
    _check_indexes(spec, field, report)
    if spec.HasField("managed_by"):
        _check_manager(spec.managed_by, f"{field}.managedBy", report)
    if spec.HasField("pod_failure_policy"):
        check_failure_policy(spec, f"{field}.podFailurePolicy", report)
    if spec.HasField("success_policy"):
        check_success_policy(spec, f"{field}.successPolicy", report)


def _check_template(spec: JobSpec, field: str, report: Report) -> None:
    check_template_metadata(spec.template.metadata, f"{field}.metadata", report)
    policy = spec.template.spec.restart_policy
    allowed = (RESTART_ON_FAILURE, RESTART_NEVER)
    path = f"{field}.spec.restartPolicy"
    if policy in allowed:
        check_spec(spec.template.spec, f"{field}.spec", report)
    else:
        report.one_of(path, policy, allowed)
    needs_never = (
        ("podFailurePolicy", spec.HasField("pod_failure_policy")),
        ("backoffLimitPerIndex", spec.HasField("backoff_limit_per_index")),
    )
    for name, is_set in needs_never:
        if is_set and policy == RESTART_ON_FAILURE:
            report.add(path, f'must be "{RESTART_NEVER}" with {name}, is {shown(policy)}')


def _check_modes(spec: JobSpec, field: str, report: Report) -> None:
    # A job that stands in a cron job's template gets its defaults when it is made.
    modes = ("", NON_INDEXED, INDEXED)
    report.one_of(f"{field}.completionMode", spec.completion_mode, modes)
    policies = ("", REPLACE_SOON, REPLACE_LATE)
    policy = spec.pod_replacement_policy
    report.one_of(f"{field}.podReplacementPolicy", policy, policies)
    if policy == REPLACE_SOON and spec.HasField("pod_failure_policy"):
        what = f'must be "{REPLACE_LATE}" with podFailurePolicy, is "{policy}"'
        report.add(f"{field}.podReplacementPolicy", what)


def _check_indexes(spec: JobSpec, field: str, report: Report) -> None:
    if spec.completion_mode == INDEXED:
        if not spec.HasField("completions"):
            report.add(f"{field}.completions", "is required when completionMode is Indexed")
        if spec.parallelism > INDEXED_PARALLELISM_MAX:
            what = f"must be at most {INDEXED_PARALLELISM_MAX} when completionMode is Indexed"
            report.add(f"{field}.parallelism", f"{what}, is {spec.parallelism}")
    else:
        for name, is_set in (
            ("backoffLimitPerIndex", spec.HasField("backoff_limit_per_index")),
            ("maxFailedIndexes", spec.HasField("max_failed_indexes")),
            ("successPolicy", spec.HasField("success_policy")),
        ):
            if is_set:
                report.add(f"{field}.{name}", "must only be set when completionMode is Indexed")
        return
    if spec.HasField("max_failed_indexes") and not spec.HasField("backoff_limit_per_index"):
        report.add(f"{field}.backoffLimitPerIndex", "is required with maxFailedIndexes")
    if spec.max_failed_indexes > spec.completions:
        what = f"must be at most completions ({spec.completions}), is {spec.max_failed_indexes}"
        report.add(f"{field}.maxFailedIndexes", what)
    if spec.completions > MANY_COMPLETIONS and spec.HasField("backoff_limit_per_index"):
        _check_many(spec, field, report)


def _check_many(spec: JobSpec, field: str, report: Report) -> None:
    when = f"with backoffLimitPerIndex and more than {MANY_COMPLETIONS} completions"
    if not spec.HasField("max_failed_indexes"):
        report.add(f"{field}.maxFailedIndexes", f"is required {when}")
    for name, value in (
        ("maxFailedIndexes", spec.max_failed_indexes),
        ("parallelism", spec.parallelism),
    ):
        if value > MANY_FAILED_MAX:
            report.add(f"{field}.{name}", f"must be at most {MANY_FAILED_MAX} {when}, is {value}")


def _check_manager(manager: str, field: str, report: Report) -> None:
    prefix, slash, _ = manager.partition("/")
    if len(manager) > MANAGER_MAX:
        report.add(field, f"must be at most {MANAGER_MAX} characters, is {len(manager)}")
    elif not slash or names.dns_subdomain(prefix) or names.qualified(manager):
        report.add(
            field, f"expected a name with a domain, such as example.com/jobs, got {shown(manager)}"
        )
