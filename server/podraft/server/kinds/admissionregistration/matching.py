"""Which calls a webhook or a policy is about.

Owns: the defaults and the rules of operations, resources, selectors and conditions, which all
kinds of the group share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from podraft.api import names
from podraft.api.admissionregistration.v1.matching_pb2 import (
    MatchCondition,
    MatchResources,
    Rule,
    RuleWithOperations,
)
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.conditions import has_at_most
from podraft.server.kinds.shared.expressions import check_expression

ALL: Final = "*"
FAIL, IGNORE = "Fail", "Ignore"
EQUIVALENT: Final = "Equivalent"
FAILURE_POLICIES: Final = (FAIL, IGNORE)
_MATCH_POLICIES: Final = ("Exact", EQUIVALENT)
_OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT", ALL)
_SCOPES: Final = ("Cluster", "Namespaced", ALL)
_CONDITIONS_MAX: Final = 64


def default_rule(rule: Rule) -> None:
    """Fill in what a rule leaves out."""
    if not rule.HasField("scope"):
        rule.scope = ALL


def default_resources(match: MatchResources) -> None:
    """Fill in what the constraints of a policy leave out."""
    if not match.HasField("match_policy"):
        match.match_policy = EQUIVALENT
    match.namespace_selector.SetInParent()
    match.object_selector.SetInParent()
    for named in (*match.resource_rules, *match.exclude_resource_rules):
        default_rule(named.rule_with_operations.rule)


def check_resources(match: MatchResources, field: str, report: Report) -> None:
    """Check the constraints of a policy."""
    check_match_policy(match.match_policy, f"{field}.matchPolicy", report)
    check_label_selector(match.namespace_selector, f"{field}.namespaceSelector", report)
    check_label_selector(match.object_selector, f"{field}.objectSelector", report)
    for name, rules in (
        ("resourceRules", match.resource_rules),
        ("excludeResourceRules", match.exclude_resource_rules),
    ):
        for index, named in enumerate(rules):
            path = f"{field}.{name}[{index}]"
            check_rule(named.rule_with_operations, path, report)
            _check_resource_names(named.resource_names, f"{path}.resourceNames", report)


def check_match_policy(policy: str, field: str, report: Report) -> None:
    """Check whether equivalent resources are meant, too."""
    report.one_of(field, policy, _MATCH_POLICIES)


def _check_resource_names(found: Sequence[str], field: str, report: Report) -> None:
    for index, name in enumerate(found):
        if (problem := names.path_segment(name)) is not None:
            report.add(f"{field}[{index}]", f"{shown(name)} {problem}")
        elif name in found[:index]:
            report.add(f"{field}[{index}]", f"duplicate: {shown(name)} is listed already")


def check_rule(rule: RuleWithOperations, field: str, report: Report) -> None:
    """Check the operations and resources of a rule."""
    _check_words(rule.operations, f"{field}.operations", report)
    for index, operation in enumerate(rule.operations):
        report.one_of(f"{field}.operations[{index}]", operation, _OPERATIONS)
    _check_words(rule.rule.api_groups, f"{field}.apiGroups", report)
    _check_words(rule.rule.api_versions, f"{field}.apiVersions", report)
    for index, version in enumerate(rule.rule.api_versions):
        if not version:
            report.add(f"{field}.apiVersions[{index}]", "must not be empty")
    _check_resource_words(rule.rule.resources, f"{field}.resources", report)
    report.one_of(f"{field}.scope", rule.rule.scope, _SCOPES)


def _check_words(words: Sequence[str], field: str, report: Report) -> None:
    if not words:
        report.add(field, "must have at least one, or '*' for all")
    elif len(words) > 1 and ALL in words:
        report.add(field, "must have nothing beside '*', which is all of them")


def _check_resource_words(words: Sequence[str], field: str, report: Report) -> None:
    """Check resources: each has a meaning of its own, so none may be part of another."""
    if not words:
        report.add(field, "must have at least one, or '*' for all")
    all_of = {word.partition("/")[0] for word in words if word.endswith("/*")}
    for index, word in enumerate(words):
        resource, slash, subresource = word.partition("/")
        path = f"{field}[{index}]"
        if not word:
            report.add(path, "must not be empty")
        elif word in words[:index]:
            report.add(path, f"duplicate: {shown(word)} is listed already")
        elif word != "*/*" and "*/*" in words:
            report.add(path, f"{shown(word)} is a part of '*/*', which is listed, too")
        elif slash and subresource != ALL and resource in all_of:
            report.add(path, f"{shown(word)} is a part of '{resource}/*', which is listed, too")
        elif slash and resource != ALL and f"*/{subresource}" in words:
            report.add(path, f"{shown(word)} is a part of '*/{subresource}', which is listed, too")
        elif not slash and word != ALL and ALL in words:
            report.add(path, f"{shown(word)} is a part of '*', which is listed, too")


def check_conditions(conditions: Sequence[MatchCondition], field: str, report: Report) -> None:
    """Check the further conditions on a call."""
    if not has_at_most(_CONDITIONS_MAX, conditions, field, report):
        return
    check_unique((one.name for one in conditions), field, "name", report)
    for index, condition in enumerate(conditions):
        path = f"{field}[{index}]"
        report.name(f"{path}.name", condition.name, names.qualified(condition.name))
        check_expression(f"{path}.expression", condition.expression, report)


def check_unique(found: Iterable[str], field: str, name: str, report: Report) -> None:
    """Check that no two elements of a list have the same name."""
    seen: set[str] = set()
    for index, value in enumerate(found):
        if value and value in seen:
            what = f"duplicate: another one is called {shown(value)}"
            report.add(f"{field}[{index}].{name}", what)
        seen.add(value)
