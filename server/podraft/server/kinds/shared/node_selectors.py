"""Selectors of nodes by labels and names: of a pod's affinity and of a volume's reach.

Owns: the rules of their terms.
"""

from __future__ import annotations

import re
from typing import Final

from podraft.api import names
from podraft.api.core.v1.affinity_pb2 import (
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
)
from podraft.api.violations import shown
from podraft.server.kinds.report import Report

_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_NAME: Final = "metadata.name"


def check_node_selector(selector: NodeSelector, field: str, report: Report) -> None:
    """Check a set of nodes: at least one term, each of them right."""
    if not selector.node_selector_terms:
        report.add(f"{field}.nodeSelectorTerms", "must have at least one term")
    for index, term in enumerate(selector.node_selector_terms):
        check_node_term(term, f"{field}.nodeSelectorTerms[{index}]", report)


def check_node_term(term: NodeSelectorTerm, field: str, report: Report) -> None:
    """Check one condition on nodes."""
    for index, requirement in enumerate(term.match_expressions):
        _check_requirement(requirement, f"{field}.matchExpressions[{index}]", report)
    for index, requirement in enumerate(term.match_fields):
        _check_field(requirement, f"{field}.matchFields[{index}]", report)


def _check_requirement(requirement: NodeSelectorRequirement, field: str, report: Report) -> None:
    key, operator, values = requirement.key, requirement.operator, requirement.values
    report.name(f"{field}.key", key, names.qualified(key))
    report.one_of(f"{field}.operator", operator, _OPERATORS)
    match operator:
        case "In" | "NotIn" if not values:
            report.add(f"{field}.values", f"is required with operator {operator}")
        case "Exists" | "DoesNotExist" if values:
            report.add(f"{field}.values", f"must be empty with operator {operator}")
        case "Gt" | "Lt" if len(values) != 1 or not _NUMBER.fullmatch(values[0]):
            report.add(f"{field}.values", f"must be one whole number with operator {operator}")
    for index, value in enumerate(values):
        if (problem := names.label_value(value)) is not None:
            report.add(f"{field}.values[{index}]", f"{shown(value)} {problem}")


def _check_field(requirement: NodeSelectorRequirement, field: str, report: Report) -> None:
    report.one_of(f"{field}.key", requirement.key, (_NAME,))
    report.one_of(f"{field}.operator", requirement.operator, ("In", "NotIn"))
    if len(requirement.values) != 1:
        report.add(f"{field}.values", f"must be one name, are {len(requirement.values)}")
    for index, value in enumerate(requirement.values):
        if (problem := names.dns_subdomain(value)) is not None:
            report.add(f"{field}.values[{index}]", f"{shown(value)} {problem}")
