"""Leases: their holders, since when and for how long."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.coordination.v1.lease_pb2 import Lease
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import check_time

HOLDER_MAX: Final = 1024


def _check(lease: Lease, report: Report) -> None:
    """Check a Lease."""
    spec = lease.spec
    if spec.HasField("lease_duration_seconds"):
        report.at_least("spec.leaseDurationSeconds", spec.lease_duration_seconds, 1)
    report.at_least("spec.leaseTransitions", spec.lease_transitions, 0)
    if len(spec.holder_identity) > HOLDER_MAX:
        size = len(spec.holder_identity)
        report.add("spec.holderIdentity", f"must be at most {HOLDER_MAX} characters, is {size}")
    if spec.strategy and (problem := names.qualified(spec.strategy)) is not None:
        report.add("spec.strategy", f"{shown(spec.strategy)} {problem}")
    if spec.preferred_holder and not spec.strategy:
        report.add("spec.preferredHolder", "must only be set with strategy")
    if len(spec.preferred_holder) > HOLDER_MAX:
        size = len(spec.preferred_holder)
        report.add("spec.preferredHolder", f"must be at most {HOLDER_MAX} characters, is {size}")
    for field, time in (("acquireTime", spec.acquire_time), ("renewTime", spec.renew_time)):
        check_time(time, f"spec.{field}", report)


RULES: Final[Rules[Lease]] = Rules(check=_check)
