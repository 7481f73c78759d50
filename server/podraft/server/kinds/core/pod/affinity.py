"""Where a pod wants to be: near nodes and pods, and spread over a topology.

Owns: the rules of affinity and of topology spread constraints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from podraft.api import names
from podraft.api.core.v1.affinity_pb2 import (
    Affinity,
    NodeAffinity,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    TopologySpreadConstraint,
)
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.node_selectors import check_node_selector, check_node_term

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_DO_NOT_SCHEDULE: Final = "DoNotSchedule"
_WHEN_UNSATISFIABLE: Final = (_DO_NOT_SCHEDULE, "ScheduleAnyway")
_POLICIES: Final = ("Honor", "Ignore")


def check_affinity(affinity: Affinity, field: str, report: Report) -> None:
    """Check an affinity."""
    if affinity.HasField("node_affinity"):
        _check_node_affinity(affinity.node_affinity, f"{field}.nodeAffinity", report)
    if affinity.HasField("pod_affinity"):
        _check_pod_affinity(affinity.pod_affinity, f"{field}.podAffinity", report)
    if affinity.HasField("pod_anti_affinity"):
        _check_pod_affinity(affinity.pod_anti_affinity, f"{field}.podAntiAffinity", report)


def _check_node_affinity(affinity: NodeAffinity, field: str, report: Report) -> None:
    if affinity.HasField("required_during_scheduling_ignored_during_execution"):
        required = affinity.required_during_scheduling_ignored_during_execution
        check_node_selector(required, f"{field}.{_REQUIRED}", report)
    preferred = affinity.preferred_during_scheduling_ignored_during_execution
    for index, term in enumerate(preferred):
        path = f"{field}.{_PREFERRED}[{index}]"
        report.between(f"{path}.weight", term.weight, 1, 100)
        check_node_term(term.preference, f"{path}.preference", report)


def _check_pod_affinity(
    affinity: PodAffinity | PodAntiAffinity, field: str, report: Report
) -> None:
    required = affinity.required_during_scheduling_ignored_during_execution
    for index, term in enumerate(required):
        _check_pod_term(term, f"{field}.{_REQUIRED}[{index}]", report)
    preferred = affinity.preferred_during_scheduling_ignored_during_execution
    for index, weighted in enumerate(preferred):
        path = f"{field}.{_PREFERRED}[{index}]"
        report.between(f"{path}.weight", weighted.weight, 1, 100)
        _check_pod_term(weighted.pod_affinity_term, f"{path}.podAffinityTerm", report)


def _check_pod_term(term: PodAffinityTerm, field: str, report: Report) -> None:
    report.name(f"{field}.topologyKey", term.topology_key, names.qualified(term.topology_key))
    if term.HasField("label_selector"):
        check_label_selector(term.label_selector, f"{field}.labelSelector", report)
    if term.HasField("namespace_selector"):
        check_label_selector(term.namespace_selector, f"{field}.namespaceSelector", report)
    for index, namespace in enumerate(term.namespaces):
        report.name(f"{field}.namespaces[{index}]", namespace, names.dns_label(namespace))
    has_selector = term.HasField("label_selector")
    for name, keys in (
        ("matchLabelKeys", term.match_label_keys),
        ("mismatchLabelKeys", term.mismatch_label_keys),
    ):
        _check_label_keys(keys, f"{field}.{name}", report, has_selector=has_selector)
    for key in set(term.match_label_keys) & set(term.mismatch_label_keys):
        report.add(f"{field}.mismatchLabelKeys", f"{shown(key)} is in matchLabelKeys, too")


def _check_label_keys(
    keys: Iterable[str], field: str, report: Report, *, has_selector: bool
) -> None:
    seen: set[str] = set()
    for index, key in enumerate(keys):
        report.name(f"{field}[{index}]", key, names.qualified(key))
        if key in seen:
            report.add(f"{field}[{index}]", f"duplicate: {shown(key)} is listed already")
        seen.add(key)
    if seen and not has_selector:
        report.add(field, "must not be set without labelSelector")


def check_spread(
    constraints: Iterable[TopologySpreadConstraint], field: str, report: Report
) -> None:
    """Check how pods are to be spread."""
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        path = f"{field}[{index}]"
        _check_constraint(constraint, path, report)
        pair = (constraint.topology_key, constraint.when_unsatisfiable)
        if pair in seen:
            report.add(path, f"duplicate: {pair[0]} with {pair[1]} is listed already")
        seen.add(pair)


def _check_constraint(constraint: TopologySpreadConstraint, field: str, report: Report) -> None:
    key, when = constraint.topology_key, constraint.when_unsatisfiable
    report.at_least(f"{field}.maxSkew", constraint.max_skew, 1)
    report.name(f"{field}.topologyKey", key, names.qualified(key))
    report.one_of(f"{field}.whenUnsatisfiable", when, _WHEN_UNSATISFIABLE)
    if constraint.HasField("min_domains"):
        report.at_least(f"{field}.minDomains", constraint.min_domains, 1)
        if when != _DO_NOT_SCHEDULE:
            must = f"must only be set when whenUnsatisfiable is {_DO_NOT_SCHEDULE}"
            report.add(f"{field}.minDomains", must)
    for name, policy in (
        ("nodeAffinityPolicy", constraint.node_affinity_policy),
        ("nodeTaintsPolicy", constraint.node_taints_policy),
    ):
        if policy:
            report.one_of(f"{field}.{name}", policy, _POLICIES)
    has_selector = constraint.HasField("label_selector")
    if has_selector:
        check_label_selector(constraint.label_selector, f"{field}.labelSelector", report)
    keys = constraint.match_label_keys
    _check_label_keys(keys, f"{field}.matchLabelKeys", report, has_selector=has_selector)
