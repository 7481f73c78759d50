"""The tables of the group ``apps``, whose objects keep pods running."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.apps.v1 import deployment_pb2
from podraft.api.columns.column import AGE, NAME, TEMPLATE, Column, Table
from podraft.api.objects.workloads import replicas


def _ready(deployment: deployment_pb2.Deployment, now_s: float) -> str:
    return f"{deployment.status.ready_replicas}/{replicas(deployment.spec)}"


_REPLICA_SET = (
    NAME,
    Column("DESIRED", lambda rs, now_s: str(replicas(rs.spec))),
    Column("CURRENT", lambda rs, now_s: str(rs.status.replicas)),
    Column("READY", lambda rs, now_s: str(rs.status.ready_replicas)),
    AGE,
    *TEMPLATE,
)
_DEPLOYMENT = (
    NAME,
    Column("READY", _ready, is_status=True),
    Column("UP-TO-DATE", lambda deploy, now_s: str(deploy.status.updated_replicas)),
    Column("AVAILABLE", lambda deploy, now_s: str(deploy.status.available_replicas)),
    AGE,
    *TEMPLATE,
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.REPLICA_SET: Table(_REPLICA_SET),
    kinds.DEPLOYMENT: Table(_DEPLOYMENT),
}
