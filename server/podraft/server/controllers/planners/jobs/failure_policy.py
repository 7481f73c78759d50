"""The policy for failures: what the end of one pod means.

Owns: which rule matches a pod that failed.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api.batch.v1 import job_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.objects import conditions

COUNT = "Count"
IGNORE = "Ignore"
FAIL_JOB = "FailJob"
FAIL_INDEX = "FailIndex"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The action of the rule that matched a pod, and a sentence that says why."""

    action: str
    why: str = ""


def meaning_of(pod: pod_pb2.Pod, policy: job_pb2.PodFailurePolicy) -> Meaning:
    """Return what the failure of a pod means by the first rule that matches it."""
    for position, rule in enumerate(policy.rules):
        why = _match(pod, rule)
        if why:
            name = f"{pod.metadata.namespace}/{pod.metadata.name}"
            return Meaning(
                rule.action, f"pod {name}: {why}, as rule {position} ({rule.action}) has it"
            )
    return Meaning(COUNT)


def _match(pod: pod_pb2.Pod, rule: job_pb2.PodFailurePolicyRule) -> str:
    if rule.HasField("on_exit_codes"):
        return _exit_code(pod, rule.on_exit_codes)
    for pattern in rule.on_pod_conditions:
        found = conditions.find(pod.status.conditions, pattern.type)
        if found is not None and found.status == (pattern.status or conditions.TRUE):
            return f"its condition {pattern.type} is {found.status}"
    return ""


def _exit_code(pod: pod_pb2.Pod, wanted: job_pb2.PodFailurePolicyOnExitCodesRequirement) -> str:
    values = set(wanted.values)
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if wanted.container_name and status.name != wanted.container_name:
            continue
        code = status.state.terminated.exit_code
        if not status.state.HasField("terminated") or code == 0:
            continue
        if (code in values) == (wanted.operator == "In"):
            return f"its container {status.name} ended with exit code {code}"
    return ""
