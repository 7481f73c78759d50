"""Leases: their holders, since when and for how long."""

from __future__ import annotations

from typing import Final

from podraft.api.coordination.v1.lease_pb2 import Lease
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
    for field, time in (("acquireTime", spec.acquire_time), ("renewTime", spec.renew_time)):
        check_time(time, f"spec.{field}", report)


RULES: Final[Rules[Lease]] = Rules(check=_check)
