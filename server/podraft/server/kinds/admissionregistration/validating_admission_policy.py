"""ValidatingAdmissionPolicies: rules in CEL that calls must meet."""

from __future__ import annotations

import re
from typing import Final

from podraft.api import names
from podraft.api.admissionregistration.v1.validating_admission_policy_pb2 import (
    ParamKind,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicySpec,
    Validation,
)
from podraft.api.violations import shown
from podraft.server.kinds.admissionregistration.matching import (
    FAIL,
    FAILURE_POLICIES,
    check_conditions,
    check_resources,
    check_unique,
    default_resources,
)
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_conditions as check_status_conditions
from podraft.server.kinds.shared.conditions import check_length, has_at_most
from podraft.server.kinds.shared.expressions import EXPRESSION_MAX, check_expression

_REASONS: Final = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
_ANNOTATIONS_MAX: Final = 20
_ANNOTATION_EXPRESSION_MAX: Final = 5 * 1024
# An audit log's key is the policy's name, a slash and the note's.
_KEY_MAX: Final = 253
_WARNINGS_MAX: Final = 1024
_IDENTIFIER: Final = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED: Final = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import"),
        *("in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void"),
        "while",
    )
)


def _default(policy: ValidatingAdmissionPolicy) -> None:
    """Fill in what a policy leaves out."""
    spec = policy.spec
    if not spec.HasField("failure_policy"):
        spec.failure_policy = FAIL
    if spec.HasField("match_constraints"):
        default_resources(spec.match_constraints)


def _check(policy: ValidatingAdmissionPolicy, report: Report) -> None:
    """Check a policy."""
    spec = policy.spec
    report.one_of("spec.failurePolicy", spec.failure_policy, FAILURE_POLICIES)
    if spec.HasField("param_kind"):
        _check_param_kind(spec.param_kind, "spec.paramKind", report)
    if not spec.HasField("match_constraints"):
        report.required("spec.matchConstraints")
    else:
        if not spec.match_constraints.resource_rules:
            report.add("spec.matchConstraints.resourceRules", "must have at least one rule")
        check_resources(spec.match_constraints, "spec.matchConstraints", report)
    if not spec.validations and not spec.audit_annotations:
        report.add("spec.validations", "must have at least one, or spec.auditAnnotations must")
    for index, validation in enumerate(spec.validations):
        _check_validation(validation, f"spec.validations[{index}]", report)
    _check_variables(spec, report)
    _check_annotations(policy, report)
    check_conditions(spec.match_conditions, "spec.matchConditions", report)


def _check_param_kind(kind: ParamKind, field: str, report: Report) -> None:
    report.name(f"{field}.apiVersion", kind.api_version, names.api_version(kind.api_version))
    report.name(f"{field}.kind", kind.kind, names.dns_label_1035(kind.kind.lower()))


def _check_validation(validation: Validation, field: str, report: Report) -> None:
    check_expression(f"{field}.expression", validation.expression, report)
    if "\n" in validation.message:
        report.add(f"{field}.message", "must be one line")
    elif "\n" in validation.expression.strip() and not validation.message.strip():
        report.add(f"{field}.message", "is required, as the expression has several lines")
    if validation.HasField("message_expression"):
        check_expression(f"{field}.messageExpression", validation.message_expression, report)
    if validation.HasField("reason"):
        report.one_of(f"{field}.reason", validation.reason, _REASONS)


def _check_variables(spec: ValidatingAdmissionPolicySpec, report: Report) -> None:
    check_unique((one.name for one in spec.variables), "spec.variables", "name", report)
    for index, variable in enumerate(spec.variables):
        path = f"spec.variables[{index}]"
        is_identifier = _IDENTIFIER.fullmatch(variable.name) and variable.name not in _RESERVED
        problem = None if is_identifier else "is no CEL identifier"
        report.name(f"{path}.name", variable.name, problem)
        check_expression(f"{path}.expression", variable.expression, report)


def _check_annotations(policy: ValidatingAdmissionPolicy, report: Report) -> None:
    notes, field = policy.spec.audit_annotations, "spec.auditAnnotations"
    if not has_at_most(_ANNOTATIONS_MAX, notes, field, report):
        return
    check_unique((note.key for note in notes), field, "key", report)
    for index, note in enumerate(notes):
        path = f"{field}[{index}]"
        problem = names.qualified(note.key)
        if problem is None and "/" in note.key:
            problem = "must have no '/': it stands below the policy's name"
        if problem is None and len(policy.metadata.name) + 1 + len(note.key) > _KEY_MAX:
            problem = f"is too long: with the policy's name, at most {_KEY_MAX - 1} characters"
        report.name(f"{path}.key", note.key, problem)
        longest = min(_ANNOTATION_EXPRESSION_MAX, EXPRESSION_MAX)
        check_expression(f"{path}.valueExpression", note.value_expression, report, longest)


def _check_status(policy: ValidatingAdmissionPolicy, report: Report) -> None:
    """Check what is said of a policy."""
    status, field = policy.status, "status.typeChecking.expressionWarnings"
    report.at_least("status.observedGeneration", status.observed_generation, 0)
    check_status_conditions(status.conditions, report, short=False)
    warnings = status.type_checking.expression_warnings
    if has_at_most(_WARNINGS_MAX, warnings, field, report):
        for index, warning in enumerate(warnings):
            path = f"{field}[{index}]"
            if not warning.field_ref:
                report.required(f"{path}.fieldRef")
            check_length(warning.warning, EXPRESSION_MAX, f"{path}.warning", report)
            if not warning.warning:
                report.add(f"{path}.warning", f"is required, beside {shown(warning.field_ref)}")


RULES: Final[Rules[ValidatingAdmissionPolicy]] = Rules(
    default=_default, check=_check, check_status=_check_status
)
