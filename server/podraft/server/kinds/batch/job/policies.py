"""The policies of a Job: what a failure means, and when some indexes are enough.

Owns: the rules of `podFailurePolicy` and `successPolicy`.
"""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.batch.v1.job_pb2 import (
    JobSpec,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)
from podraft.api.objects.conditions import FALSE, TRUE, UNKNOWN
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.conditions import has_at_most
from podraft.server.kinds.shared.index_lists import Indexes

RULES_MAX: Final = 20
PATTERNS_MAX: Final = 20
CODES_MAX: Final = 255
# The characters of a list of indexes.
INDEXES_MAX: Final = 64 * 1024
_ACTIONS: Final = ("FailJob", "FailIndex", "Ignore", "Count")
_OPERATORS: Final = ("In", "NotIn")


def check_failure_policy(spec: JobSpec, field: str, report: Report) -> None:
    """Check what failures of pods mean."""
    rules = spec.pod_failure_policy.rules
    if not has_at_most(RULES_MAX, rules, f"{field}.rules", report):
        return
    pod = spec.template.spec
    containers = frozenset(one.name for one in (*pod.containers, *pod.init_containers))
    for index, rule in enumerate(rules):
        path = f"{field}.rules[{index}]"
        report.one_of(f"{path}.action", rule.action, _ACTIONS)
        if rule.action == "FailIndex" and not spec.HasField("backoff_limit_per_index"):
            report.add(f"{path}.action", 'must not be "FailIndex" without backoffLimitPerIndex')
        _check_rule(rule, path, containers, report)


def _check_rule(
    rule: PodFailurePolicyRule, field: str, containers: frozenset[str], report: Report
) -> None:
    if rule.HasField("on_exit_codes") == bool(rule.on_pod_conditions):
        report.add(field, "must have exactly one of onExitCodes and onPodConditions")
    if rule.HasField("on_exit_codes"):
        _check_codes(rule.on_exit_codes, f"{field}.onExitCodes", containers, report)
    path = f"{field}.onPodConditions"
    if not has_at_most(PATTERNS_MAX, rule.on_pod_conditions, path, report):
        return
    for index, pattern in enumerate(rule.on_pod_conditions):
        problem = names.qualified(pattern.type)
        report.name(f"{path}[{index}].type", pattern.type, problem)
        report.one_of(f"{path}[{index}].status", pattern.status, (TRUE, FALSE, UNKNOWN))


def _check_codes(
    codes: PodFailurePolicyOnExitCodesRequirement,
    field: str,
    containers: frozenset[str],
    report: Report,
) -> None:
    report.one_of(f"{field}.operator", codes.operator, _OPERATORS)
    if codes.HasField("container_name") and codes.container_name not in containers:
        what = f"there is no container {shown(codes.container_name)} in the template"
        report.add(f"{field}.containerName", what)
    values = list(codes.values)
    if not 1 <= len(values) <= CODES_MAX:
        report.add(f"{field}.values", f"must be 1 to {CODES_MAX}, are {len(values)}")
    elif values != sorted(set(values)):
        report.add(f"{field}.values", "must be in ascending order, each of them once")
    if codes.operator == "In" and 0 in values:
        report.add(f"{field}.values", "must not contain 0 with In: no failure has it")


def check_success_policy(spec: JobSpec, field: str, report: Report) -> None:
    """Check when some of a job's indexes are enough."""
    rules = spec.success_policy.rules
    if not rules:
        report.add(f"{field}.rules", "must have at least one rule")
    elif has_at_most(RULES_MAX, rules, f"{field}.rules", report):
        for index, rule in enumerate(rules):
            _check_success_rule(rule, spec.completions, f"{field}.rules[{index}]", report)


def _check_success_rule(
    rule: SuccessPolicyRule, completions: int, field: str, report: Report
) -> None:
    if not rule.HasField("succeeded_indexes") and not rule.HasField("succeeded_count"):
        report.add(field, "must have succeededIndexes or succeededCount")
    available = completions
    if rule.HasField("succeeded_indexes"):
        path = f"{field}.succeededIndexes"
        if len(rule.succeeded_indexes) > INDEXES_MAX:
            size = len(rule.succeeded_indexes)
            report.add(path, f"must be at most {INDEXES_MAX} characters, is {size}")
            return
        try:
            indexes = Indexes.parse(rule.succeeded_indexes)
        except ValueError as error:
            report.add(path, f"{error}, is {shown(rule.succeeded_indexes)}")
            return
        if indexes.last >= completions:
            what = f"must be below completions ({completions}), is {indexes.last}"
            report.add(path, what)
        elif not len(indexes):
            report.add(path, "must have at least one index")
        available = len(indexes)
    if rule.HasField("succeeded_count"):
        report.between(f"{field}.succeededCount", rule.succeeded_count, 1, max(1, available))
