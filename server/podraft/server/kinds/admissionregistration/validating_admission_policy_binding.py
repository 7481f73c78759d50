"""ValidatingAdmissionPolicyBindings: a policy in effect, for some calls, with parameters."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.admissionregistration.v1.validating_admission_policy_binding_pb2 import (
    ParamRef,
    ValidatingAdmissionPolicyBinding,
)
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.admissionregistration.matching import check_resources, default_resources
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules

_DENY, _WARN = "Deny", "Warn"
_ACTIONS: Final = (_DENY, _WARN, "Audit")
_NOT_FOUND: Final = ("Allow", _DENY)


def _default(binding: ValidatingAdmissionPolicyBinding) -> None:
    if binding.spec.HasField("match_resources"):
        default_resources(binding.spec.match_resources)


def _check(binding: ValidatingAdmissionPolicyBinding, report: Report) -> None:
    spec = binding.spec
    report.name("spec.policyName", spec.policy_name, names.dns_subdomain(spec.policy_name))
    if spec.HasField("param_ref"):
        _check_param(spec.param_ref, "spec.paramRef", report)
    if spec.HasField("match_resources"):
        check_resources(spec.match_resources, "spec.matchResources", report)
    actions, field = spec.validation_actions, "spec.validationActions"
    if not actions:
        report.add(field, f"must have at least one of {', '.join(_ACTIONS)}")
    for index, action in enumerate(actions):
        report.one_of(f"{field}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            report.add(f"{field}[{index}]", f"duplicate: {shown(action)} is listed already")
    if _DENY in actions and _WARN in actions:
        report.add(field, f"must not have both {_DENY} and {_WARN}: a refusal says it already")


def _check_param(param: ParamRef, field: str, report: Report) -> None:
    if bool(param.name) == param.HasField("selector"):
        report.add(field, "must have a name or a selector, one of the two")
    if param.name and (problem := names.path_segment(param.name)) is not None:
        report.add(f"{field}.name", f"{shown(param.name)} {problem}")
    if param.namespace and (problem := names.dns_label(param.namespace)) is not None:
        report.add(f"{field}.namespace", f"{shown(param.namespace)} {problem}")
    check_label_selector(param.selector, f"{field}.selector", report)
    if param.HasField("parameter_not_found_action"):
        action = param.parameter_not_found_action
        report.one_of(f"{field}.parameterNotFoundAction", action, _NOT_FOUND)
    else:
        report.required(f"{field}.parameterNotFoundAction")


RULES: Final[Rules[ValidatingAdmissionPolicyBinding]] = Rules(default=_default, check=_check)
