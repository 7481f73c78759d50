"""The rules of roles and the subjects of bindings, which two kinds each share.

Owns: how they are defaulted and checked.  Invariant: a rule that could never grant anything, and a
subject that nobody could ever be, are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from podraft.api import names
from podraft.api.kinds.rbac import RBAC_GROUP
from podraft.api.rbac.v1.rules_pb2 import PolicyRule, RoleRef, Subject
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

USER: Final = "User"
GROUP: Final = "Group"
SERVICE_ACCOUNT: Final = "ServiceAccount"
ROLE: Final = "Role"
CLUSTER_ROLE: Final = "ClusterRole"
_SUBJECTS: Final = (USER, GROUP, SERVICE_ACCOUNT)
# A decision reads every rule of the caller's roles.
_RULES_MAX: Final = 1000
_SUBJECTS_MAX: Final = 1000


def check_rules(rules: Iterable[PolicyRule], report: Report, *, namespaced: bool) -> None:
    """Check a role's rules; those of a role in a namespace can name no paths."""
    listed = list(rules)
    if len(listed) > _RULES_MAX:
        report.add("rules", f"must be at most {_RULES_MAX} rules, are {len(listed)}")
        return
    for index, rule in enumerate(listed):
        _check_rule(rule, f"rules[{index}]", report, namespaced=namespaced)


def _check_rule(rule: PolicyRule, field: str, report: Report, *, namespaced: bool) -> None:
    if not rule.verbs:
        report.add(f"{field}.verbs", "must name at least one verb, or * for all")
    _check_words(rule.verbs, f"{field}.verbs", report)
    if rule.non_resource_urls:
        _check_paths(rule, field, report, namespaced=namespaced)
        return
    if not rule.api_groups:
        report.add(
            f"{field}.apiGroups",
            'must name at least one group: "" is the core group, * all of them',
        )
    if not rule.resources:
        report.add(f"{field}.resources", "must name at least one resource, or * for all")
    _check_words(rule.resources, f"{field}.resources", report)


def _check_words(words: Iterable[str], field: str, report: Report) -> None:
    for index, word in enumerate(words):
        if not word:
            report.add(f"{field}[{index}]", "must not be empty")


def _check_paths(rule: PolicyRule, field: str, report: Report, *, namespaced: bool) -> None:
    if namespaced:
        report.add(f"{field}.nonResourceURLs", "paths are in no namespace: use a ClusterRole")
    if rule.api_groups or rule.resources or rule.resource_names:
        report.add(
            f"{field}.nonResourceURLs",
            "cannot stand beside apiGroups, resources or resourceNames: make two rules of it",
        )
    for index, path in enumerate(rule.non_resource_urls):
        at = f"{field}.nonResourceURLs[{index}]"
        if path != "*" and not path.startswith("/"):
            report.add(at, f"{shown(path)} must be * or begin with /")
        elif "*" in path[:-1]:
            report.add(at, f"{shown(path)} may have a * only at its end")


def default_binding(binding: Any) -> None:
    """Fill in the API groups that a binding leaves out."""
    for subject in binding.subjects:
        if not subject.api_group and subject.kind in (USER, GROUP):
            subject.api_group = RBAC_GROUP
    if not binding.role_ref.api_group:
        binding.role_ref.api_group = RBAC_GROUP


def check_binding(binding: Any, report: Report, *, namespaced: bool) -> None:
    """Check a binding's role and subjects."""
    _check_role(binding.role_ref, report, (CLUSTER_ROLE, ROLE) if namespaced else (CLUSTER_ROLE,))
    if len(binding.subjects) > _SUBJECTS_MAX:
        count = len(binding.subjects)
        report.add("subjects", f"must be at most {_SUBJECTS_MAX} subjects, are {count}")
        return
    for index, subject in enumerate(binding.subjects):
        _check_subject(subject, f"subjects[{index}]", report)


def _check_role(role: RoleRef, report: Report, possible: tuple[str, ...]) -> None:
    if role.api_group != RBAC_GROUP:
        report.one_of("roleRef.apiGroup", role.api_group, (RBAC_GROUP,))
    if not role.kind:
        report.required("roleRef.kind")
    else:
        report.one_of("roleRef.kind", role.kind, possible)
    report.name("roleRef.name", role.name, names.path_segment(role.name))


def _check_subject(subject: Subject, field: str, report: Report) -> None:
    if not subject.kind:
        report.required(f"{field}.kind")
        return
    report.one_of(f"{field}.kind", subject.kind, _SUBJECTS)
    if not subject.name:
        report.required(f"{field}.name")
    if subject.kind == SERVICE_ACCOUNT:
        report.name(f"{field}.namespace", subject.namespace, names.dns_label(subject.namespace))
        if subject.name:
            report.name(f"{field}.name", subject.name, names.dns_subdomain(subject.name))
        if subject.api_group:
            report.add(f"{field}.apiGroup", f'must be "", got {shown(subject.api_group)}')
    elif subject.kind in _SUBJECTS:
        if subject.namespace:
            report.add(f"{field}.namespace", f"a {subject.kind} is in no namespace")
        report.one_of(f"{field}.apiGroup", subject.api_group, (RBAC_GROUP,))


def check_same_role(stored: Any, binding: Any, report: Report) -> None:
    """Check that a binding still gives the same role: whoever was given one keeps what it means."""
    before, after = stored.role_ref, binding.role_ref
    if before != after:
        report.add(
            "roleRef",
            f"cannot be changed: it is {before.kind} {shown(before.name)}; "
            "delete the binding and make another one",
        )
