"""Persistent volumes: one source each, which never changes, and who may have it."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.core.v1.persistent_volume_pb2 import PersistentVolume, PersistentVolumeSpec
from podraft.api.violations import shown
from podraft.server.kinds.core.pod.volumes import check_host_path
from podraft.server.kinds.report import Report, check_quantity
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_time, check_words
from podraft.server.kinds.shared.node_selectors import check_node_selector
from podraft.server.kinds.shared.volume_claims import (
    STORAGE,
    VOLUME_MODES,
    check_access_modes,
    check_more_than_nothing,
)
from podraft.server.kinds.shared.volume_sources import check_source, default_source

_RECYCLE: Final = "Recycle"
_POLICIES: Final = ("Retain", "Delete", _RECYCLE)
_PHASES: Final = ("", "Pending", "Available", "Bound", "Released", "Failed")
_IMMUTABLE: Final = "cannot be changed: make a new volume"


def _default(volume: PersistentVolume) -> None:
    """Fill in the fields that a volume leaves out."""
    spec = volume.spec
    if not spec.persistent_volume_reclaim_policy:
        spec.persistent_volume_reclaim_policy = _POLICIES[0]
    if not spec.volume_mode:
        spec.volume_mode = VOLUME_MODES[0]
    for _, source in spec.persistent_volume_source.ListFields():
        default_source(source)


def _check(volume: PersistentVolume, report: Report) -> None:
    """Check a volume."""
    spec = volume.spec
    check_access_modes(spec.access_modes, "spec.accessModes", report)
    _check_capacity(spec, report)
    _check_sources(spec, report)
    policy = spec.persistent_volume_reclaim_policy
    report.one_of("spec.persistentVolumeReclaimPolicy", policy, _POLICIES)
    path = spec.persistent_volume_source.host_path.path
    if policy == _RECYCLE and path and not path.strip("/"):
        report.add("spec.persistentVolumeReclaimPolicy", 'must not be Recycle for the folder "/"')
    report.one_of("spec.volumeMode", spec.volume_mode, VOLUME_MODES)
    for name, value in (
        ("storageClassName", spec.storage_class_name),
        ("volumeAttributesClassName", spec.volume_attributes_class_name),
    ):
        if value and (problem := names.dns_subdomain(value)) is not None:
            report.add(f"spec.{name}", f"{shown(value)} {problem}")
    if spec.HasField("node_affinity"):
        field = "spec.nodeAffinity.required"
        if spec.node_affinity.HasField("required"):
            check_node_selector(spec.node_affinity.required, field, report)
        else:
            report.required(field)


def _check_capacity(spec: PersistentVolumeSpec, report: Report) -> None:
    field = f"spec.capacity[{STORAGE}]"
    if STORAGE not in spec.capacity:
        report.required(field)
    elif check_quantity(spec.capacity[STORAGE], field, report):
        check_more_than_nothing(spec.capacity[STORAGE].string, field, report)
    for name in spec.capacity:
        if name != STORAGE:
            report.add("spec.capacity", f"expected only {STORAGE}, got {shown(name)}")


def _check_sources(spec: PersistentVolumeSpec, report: Report) -> None:
    chosen = spec.persistent_volume_source.ListFields()
    if len(chosen) != 1:
        report.add(
            "spec", f"expected exactly one source, such as csi, nfs, local, got {len(chosen)}"
        )
    for described, source in chosen:
        check = check_host_path if described.name == "host_path" else check_source
        check(source, f"spec.{described.json_name}", report)
        if described.name == "local" and not spec.HasField("node_affinity"):
            report.add("spec.nodeAffinity", "is required for a local volume")


def _check_change(stored: PersistentVolume, volume: PersistentVolume, report: Report) -> None:
    """Check that a volume stays the same volume."""
    old, new = stored.spec, volume.spec
    if old.persistent_volume_source != new.persistent_volume_source:
        report.add("spec", f"the source {_IMMUTABLE}")
    if old.volume_mode != new.volume_mode:
        report.add("spec.volumeMode", f"{_IMMUTABLE}, it is {old.volume_mode}")
    if old.HasField("node_affinity") and old.node_affinity != new.node_affinity:
        report.add("spec.nodeAffinity", _IMMUTABLE)


def _begin(volume: PersistentVolume) -> None:
    """Give a new volume its first phase."""
    volume.status.phase = "Pending"


def _check_status(volume: PersistentVolume, report: Report) -> None:
    """Check a volume's status."""
    status = volume.status
    report.one_of("status.phase", status.phase, _PHASES)
    check_words("status", status.reason, status.message, report)
    check_time(status.last_phase_transition_time, "status.lastPhaseTransitionTime", report)


RULES: Final[Rules[PersistentVolume]] = Rules(
    default=_default,
    check=_check,
    check_change=_check_change,
    begin=_begin,
    check_status=_check_status,
    keeps_spelling=True,
)
