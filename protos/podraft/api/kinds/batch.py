"""The kinds of the group ``batch``: workloads that come to an end.

Owns: their entries.  Invariant: a kind that makes objects of another comes after it.
"""

from __future__ import annotations

from typing import Final

from podraft.api.batch.v1 import cron_job_pb2, job_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order

JOB = Kind(
    message=job_pb2.Job,
    api_version="batch/v1",
    resource="jobs",
    order=Order.WORKLOADS,
    subresources=("status",),
    categories=("all",),
)
CRON_JOB = Kind(
    message=cron_job_pb2.CronJob,
    api_version="batch/v1",
    resource="cronjobs",
    short_names=("cj",),
    order=Order.WORKLOADS,
    subresources=("status",),
    categories=("all",),
)

KINDS: Final[tuple[AnyKind, ...]] = (JOB, CRON_JOB)
