"""StorageClasses: what makes volumes, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podraft.api import names
from podraft.api.core.v1.topology_pb2 import TopologySelectorTerm
from podraft.api.storage.v1.storage_class_pb2 import StorageClass
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import has_at_most

_DELETE, _IMMEDIATE = "Delete", "Immediate"
_RECLAIM_POLICIES: Final = (_DELETE, "Retain")
_BINDING_MODES: Final = (_IMMEDIATE, "WaitForFirstConsumer")
_PARAMETERS_MAX: Final = 512
_PARAMETERS_BYTES_MAX: Final = 256 * 1024


def _default(storage_class: StorageClass) -> None:
    """Fill in what a class leaves out."""
    if not storage_class.HasField("reclaim_policy"):
        storage_class.reclaim_policy = _DELETE
    if not storage_class.HasField("volume_binding_mode"):
        storage_class.volume_binding_mode = _IMMEDIATE


def _check(storage_class: StorageClass, report: Report) -> None:
    """Check a class."""
    provisioner = storage_class.provisioner
    report.name("provisioner", provisioner, names.qualified(provisioner.lower()))
    _check_parameters(storage_class, report)
    report.one_of("reclaimPolicy", storage_class.reclaim_policy, _RECLAIM_POLICIES)
    report.one_of("volumeBindingMode", storage_class.volume_binding_mode, _BINDING_MODES)
    for index, term in enumerate(storage_class.allowed_topologies):
        _check_term(storage_class.allowed_topologies[:index], term, index, report)


def _check_parameters(storage_class: StorageClass, report: Report) -> None:
    parameters = storage_class.parameters
    if not has_at_most(_PARAMETERS_MAX, parameters, "parameters", report):
        return
    if "" in parameters:
        report.add("parameters", "must not have an empty name")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items())
    if size > _PARAMETERS_BYTES_MAX:
        report.add(
            "parameters", f"must be at most {_PARAMETERS_BYTES_MAX} bytes in sum, are {size}"
        )


def _check_term(
    before: Sequence[TopologySelectorTerm],
    term: TopologySelectorTerm,
    index: int,
    report: Report,
) -> None:
    field = f"allowedTopologies[{index}]"
    if term in before:
        report.add(field, "duplicate: the same is listed already")
    keys: set[str] = set()
    for position, requirement in enumerate(term.match_label_expressions):
        path = f"{field}.matchLabelExpressions[{position}]"
        _check_values(requirement.values, f"{path}.values", report)
        report.name(f"{path}.key", requirement.key, names.label_key(requirement.key))
        if requirement.key in keys:
            report.add(f"{path}.key", f"duplicate: {shown(requirement.key)} is listed already")
        keys.add(requirement.key)


def _check_values(values: Sequence[str], field: str, report: Report) -> None:
    if not values:
        report.add(field, "must have at least one value")
    for index, value in enumerate(values):
        if (problem := names.label_value(value)) is not None:
            report.add(f"{field}[{index}]", f"{shown(value)} {problem}")
        elif value in values[:index]:
            report.add(f"{field}[{index}]", f"duplicate: {shown(value)} is listed already")


def _check_change(stored: StorageClass, storage_class: StorageClass, report: Report) -> None:
    """Check that a class goes on to mean the same for the claims that name it."""
    for field, before, after in (
        ("provisioner", stored.provisioner, storage_class.provisioner),
        ("parameters", dict(stored.parameters), dict(storage_class.parameters)),
        ("reclaimPolicy", stored.reclaim_policy, storage_class.reclaim_policy),
        ("volumeBindingMode", stored.volume_binding_mode, storage_class.volume_binding_mode),
    ):
        if before != after:
            report.add(field, "cannot be changed: delete the class and create it anew")


RULES: Final[Rules[StorageClass]] = Rules(
    default=_default, check=_check, check_change=_check_change
)
