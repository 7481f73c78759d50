"""Claims to volumes: those that are objects, and those that a pod's own volumes carry along.

Owns: the defaults and rules of what a claim asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from podraft.api import names, quantities
from podraft.api.core.v1.persistent_volume_claim_pb2 import PersistentVolumeClaimSpec
from podraft.api.core.v1.reference_pb2 import TypedLocalObjectReference, TypedObjectReference
from podraft.api.selectors.labels import check_label_selector
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_quantity

ACCESS_MODES: Final = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")
_ONE_POD: Final = "ReadWriteOncePod"
VOLUME_MODES: Final = ("Filesystem", "Block")
STORAGE: Final = "storage"


def default_claim(spec: PersistentVolumeClaimSpec) -> None:
    """Fill in the fields that a claim leaves out."""
    if not spec.volume_mode:
        spec.volume_mode = "Filesystem"
    if spec.HasField("data_source") and not spec.HasField("data_source_ref"):
        source = spec.data_source
        spec.data_source_ref.kind, spec.data_source_ref.name = source.kind, source.name
        if source.HasField("api_group"):
            spec.data_source_ref.api_group = source.api_group


def check_claim(spec: PersistentVolumeClaimSpec, field: str, report: Report) -> None:
    """Check what a claim asks for."""
    check_access_modes(spec.access_modes, f"{field}.accessModes", report)
    if spec.HasField("selector"):
        check_label_selector(spec.selector, f"{field}.selector", report)
    wanted, path = spec.resources.requests, f"{field}.resources.requests"
    if STORAGE not in wanted:
        report.required(f"{path}[{STORAGE}]")
    elif check_quantity(wanted[STORAGE], f"{path}[{STORAGE}]", report):
        check_more_than_nothing(wanted[STORAGE].string, f"{path}[{STORAGE}]", report)
    for name, value, problem in (
        ("volumeName", spec.volume_name, names.dns_subdomain),
        ("storageClassName", spec.storage_class_name, names.dns_subdomain),
        ("volumeAttributesClassName", spec.volume_attributes_class_name, names.dns_subdomain),
    ):
        if value and (found := problem(value)) is not None:
            report.add(f"{field}.{name}", f"{shown(value)} {found}")
    report.one_of(f"{field}.volumeMode", spec.volume_mode, VOLUME_MODES)
    if spec.HasField("data_source"):
        _check_data(spec.data_source, f"{field}.dataSource", report)
    if spec.HasField("data_source_ref"):
        _check_data(spec.data_source_ref, f"{field}.dataSourceRef", report)


def check_more_than_nothing(amount: str, field: str, report: Report) -> None:
    """Check that a valid amount is above zero."""
    if quantities.compare(amount, "0") <= 0:
        report.add(field, f"must be more than 0, is {amount}")


def check_access_modes(modes: Iterable[str], field: str, report: Report) -> None:
    """Check in which ways a volume has to be mountable."""
    given = list(modes)
    if not given:
        report.required(field)
    for index, mode in enumerate(given):
        report.one_of(f"{field}[{index}]", mode, ACCESS_MODES)
    if _ONE_POD in given and len(given) > 1:
        report.add(field, f"must hold nothing else than {_ONE_POD}")


def _check_data(
    source: TypedLocalObjectReference | TypedObjectReference, field: str, report: Report
) -> None:
    if not source.kind:
        report.required(f"{field}.kind")
    if not source.name:
        report.required(f"{field}.name")
    if not source.api_group and source.kind not in ("", "PersistentVolumeClaim"):
        expected = "must be PersistentVolumeClaim in the core group"
        report.add(f"{field}.kind", f"{expected}, is {shown(source.kind)}")
