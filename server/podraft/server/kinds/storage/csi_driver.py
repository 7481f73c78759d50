"""CSIDrivers: what a driver of volumes needs and can do."""

from __future__ import annotations

from typing import Final

from podraft.api.storage.v1.csi_driver_pb2 import CSIDriver, CSIDriverSpec
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import has_at_most
from podraft.server.kinds.storage.drivers import driver_name

_PERSISTENT: Final = "Persistent"
_MODES: Final = (_PERSISTENT, "Ephemeral")
_WITH_TYPE: Final = "ReadWriteOnceWithFSType"
_GROUP_POLICIES: Final = (_WITH_TYPE, "File", "None")
_TOKENS_MAX: Final = 64
_TOKEN_MIN_S: Final = 600
_TOKEN_MAX_S: Final = 2**32
_UPDATE_PERIOD_MIN_S: Final = 10


def _default(driver: CSIDriver) -> None:
    """Fill in what a driver leaves out."""
    spec = driver.spec
    if not spec.HasField("attach_required"):
        spec.attach_required = True
    for flag in ("pod_info_on_mount", "storage_capacity", "requires_republish", "se_linux_mount"):
        if not spec.HasField(flag):
            setattr(spec, flag, False)
    if not spec.HasField("fs_group_policy"):
        spec.fs_group_policy = _WITH_TYPE
    if not spec.volume_lifecycle_modes:
        spec.volume_lifecycle_modes.append(_PERSISTENT)


def _check(driver: CSIDriver, report: Report) -> None:
    """Check a driver."""
    spec = driver.spec
    for index, mode in enumerate(spec.volume_lifecycle_modes):
        field = f"spec.volumeLifecycleModes[{index}]"
        report.one_of(field, mode, _MODES)
        if mode in spec.volume_lifecycle_modes[:index]:
            report.add(field, f"duplicate: {shown(mode)} is listed already")
    report.one_of("spec.fsGroupPolicy", spec.fs_group_policy, _GROUP_POLICIES)
    _check_tokens(spec, report)
    if spec.HasField("node_allocatable_update_period_seconds"):
        period_s = spec.node_allocatable_update_period_seconds
        field = "spec.nodeAllocatableUpdatePeriodSeconds"
        report.at_least(field, period_s, _UPDATE_PERIOD_MIN_S)


def _check_tokens(spec: CSIDriverSpec, report: Report) -> None:
    field = "spec.tokenRequests"
    if not has_at_most(_TOKENS_MAX, spec.token_requests, field, report):
        return
    audiences: set[str] = set()
    for index, token in enumerate(spec.token_requests):
        if token.audience in audiences:
            what = f"duplicate: {shown(token.audience)} is listed already"
            report.add(f"{field}[{index}].audience", what)
        audiences.add(token.audience)
        if token.HasField("expiration_seconds"):
            path, seconds = f"{field}[{index}].expirationSeconds", token.expiration_seconds
            report.between(path, seconds, _TOKEN_MIN_S, _TOKEN_MAX_S)
    if spec.HasField("service_account_token_in_secrets") and not spec.token_requests:
        what = "must not be set without spec.tokenRequests"
        report.add("spec.serviceAccountTokenInSecrets", what)


def _check_change(stored: CSIDriver, driver: CSIDriver, report: Report) -> None:
    """Check that volumes which are attached or mounted stay what they are."""
    before, after = stored.spec, driver.spec
    if before.attach_required != after.attach_required:
        report.add("spec.attachRequired", "cannot be changed")
    if set(before.volume_lifecycle_modes) != set(after.volume_lifecycle_modes):
        report.add("spec.volumeLifecycleModes", "cannot be changed")


RULES: Final[Rules[CSIDriver]] = Rules(
    check_name=driver_name, default=_default, check=_check, check_change=_check_change
)
