"""Claims to volumes: what is wanted stays, but for its size, its class and the volume it gets."""

from __future__ import annotations

import contextlib
from typing import Final

from podraft.api import quantities
from podraft.api.core.v1.persistent_volume_claim_pb2 import (
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
)
from podraft.api.meta.v1.meta_pb2 import Quantity
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.amounts import check_amounts
from podraft.server.kinds.shared.conditions import (
    check_conditions,
    check_length,
    check_time,
    has_at_most,
)
from podraft.server.kinds.shared.volume_claims import (
    ACCESS_MODES,
    STORAGE,
    check_claim,
    default_claim,
)

_BOUND: Final = "Bound"
_PHASES: Final = ("", "Pending", _BOUND, "Lost")
_MODIFICATIONS: Final = ("Pending", "InProgress", "Infeasible")
_NAME_MAX: Final = 253
_MODES_MAX: Final = 16
_AMOUNTS_MAX: Final = 16


def _default(claim: PersistentVolumeClaim) -> None:
    """Fill in the fields that a claim leaves out."""
    default_claim(claim.spec)


def _check(claim: PersistentVolumeClaim, report: Report) -> None:
    """Check a claim."""
    check_claim(claim.spec, "spec", report)


def _keep(stored: PersistentVolumeClaim, claim: PersistentVolumeClaim) -> None:
    """Keep the volume and the class that a claim was given; a reapplied manifest omits them."""
    old, new = stored.spec, claim.spec
    if not new.volume_name and old.volume_name:
        new.volume_name = old.volume_name
    if not new.HasField("storage_class_name") and old.HasField("storage_class_name"):
        new.storage_class_name = old.storage_class_name


def _check_change(
    stored: PersistentVolumeClaim, claim: PersistentVolumeClaim, report: Report
) -> None:
    """Check that a claim asks for what it asked for before."""
    same = PersistentVolumeClaimSpec()
    same.CopyFrom(claim.spec)
    if not stored.spec.volume_name:
        same.ClearField("volume_name")
    for field in ("resources", "volume_attributes_class_name"):
        same.ClearField(field)
        if stored.spec.HasField(field):
            _restore(stored.spec, same, field)
    if same != stored.spec:
        may = "resources.requests of a bound claim and volumeAttributesClassName"
        report.add("spec", f"cannot be changed, but for {may}")
    _check_size(stored, claim, report)


def _restore(
    source: PersistentVolumeClaimSpec, target: PersistentVolumeClaimSpec, field: str
) -> None:
    if field == "resources":
        target.resources.CopyFrom(source.resources)
    else:
        target.volume_attributes_class_name = source.volume_attributes_class_name


def _check_size(
    stored: PersistentVolumeClaim, claim: PersistentVolumeClaim, report: Report
) -> None:
    before, after = stored.spec.resources, claim.spec.resources
    if before == after:
        return
    field = f"spec.resources.requests[{STORAGE}]"
    if before.limits != after.limits:
        report.add("spec.resources.limits", "cannot be changed")
    if STORAGE not in before.requests or STORAGE not in after.requests:
        return  # What is missing is said already.
    old, new = before.requests[STORAGE], after.requests[STORAGE]
    with contextlib.suppress(quantities.InvalidQuantityError):  # What is wrong is said already.
        if quantities.compare(old, new) != 0:
            _check_growth(stored, new, field, report)


def _check_growth(stored: PersistentVolumeClaim, new: Quantity, field: str, report: Report) -> None:
    if stored.status.phase != _BOUND:
        report.add(field, "cannot be changed before the claim is bound")
    least = stored.status.capacity.get(STORAGE, stored.spec.resources.requests[STORAGE])
    if quantities.compare(new, least) < 0:
        report.add(field, f"must be at least {least.string}, the volume's size, is {new.string}")


def _begin(claim: PersistentVolumeClaim) -> None:
    """Give a new claim its first phase."""
    claim.status.phase = "Pending"


def _check_status(claim: PersistentVolumeClaim, report: Report) -> None:
    """Check a claim's status."""
    status = claim.status
    report.one_of("status.phase", status.phase, _PHASES)
    if has_at_most(_MODES_MAX, status.access_modes, "status.accessModes", report):
        for index, mode in enumerate(status.access_modes):
            report.one_of(f"status.accessModes[{index}]", mode, ACCESS_MODES)
    for field, amounts in (
        ("capacity", status.capacity),
        ("allocatedResources", status.allocated_resources),
    ):
        path = f"status.{field}"
        if has_at_most(_AMOUNTS_MAX, amounts, path, report):
            check_amounts(amounts, path, report, frozenset((STORAGE,)))
    check_conditions(status.conditions, report, short=False)
    for index, condition in enumerate(status.conditions):
        path = f"status.conditions[{index}].lastProbeTime"
        check_time(condition.last_probe_time, path, report)
    statuses, path = status.allocated_resource_statuses, "status.allocatedResourceStatuses"
    if has_at_most(_AMOUNTS_MAX, statuses, path, report):
        for name, word in statuses.items():
            check_length(word, _NAME_MAX, f"{path}[{name}]", report)
    name = status.current_volume_attributes_class_name
    check_length(name, _NAME_MAX, "status.currentVolumeAttributesClassName", report)
    if status.HasField("modify_volume_status"):
        change, path = status.modify_volume_status, "status.modifyVolumeStatus"
        report.one_of(f"{path}.status", change.status, _MODIFICATIONS)
        target = change.target_volume_attributes_class_name
        check_length(target, _NAME_MAX, f"{path}.targetVolumeAttributesClassName", report)


RULES: Final[Rules[PersistentVolumeClaim]] = Rules(
    keep=_keep,
    default=_default,
    check=_check,
    check_change=_check_change,
    begin=_begin,
    check_status=_check_status,
    keeps_spelling=True,
)
