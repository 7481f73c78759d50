"""The triggers of the CronJob controller."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.kinds import CRON_JOB, JOB, KnownKinds
from podraft.server.controllers.core.controller import Controller, ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey, Snapshot
from podraft.server.controllers.core.triggers import controllers_of, itself, subject
from podraft.server.controllers.planners.cron_jobs.plan import plan


def controller(options: ControllerOptions, known: KnownKinds) -> Controller[ObjectKey]:
    """Return the controller."""
    return Controller(
        "cron-jobs",
        plan,
        {CRON_JOB: itself, JOB: _owning},
        pace_s=0.05,
        subject=subject(CRON_JOB),
        failure="FailedCreate",
    )


def _owning(snapshot: Snapshot, old: Any, new: Any) -> Iterator[ObjectKey]:
    yield from controllers_of(CRON_JOB, old, new)
