"""The tables of the group ``apps``, whose objects keep pods running."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podraft.api import kinds
from podraft.api.apps.v1 import (
    controller_revision_pb2,
    daemon_set_pb2,
    deployment_pb2,
    stateful_set_pb2,
)
from podraft.api.columns.column import AGE, NAME, NONE, TEMPLATE, Column, Table, pairs
from podraft.api.objects import owners
from podraft.api.objects.workloads import replicas


def _ready(workload: deployment_pb2.Deployment | stateful_set_pb2.StatefulSet, now_s: float) -> str:
    return f"{workload.status.ready_replicas}/{replicas(workload.spec)}"


def _node_selector(daemon_set: daemon_set_pb2.DaemonSet, now_s: float) -> str:
    return pairs(daemon_set.spec.template.spec.node_selector)


def _controller(revision: controller_revision_pb2.ControllerRevision, now_s: float) -> str:
    owner = owners.controller_of(revision.metadata)
    if owner is None:
        return NONE
    kind = kinds.BUILT_IN.by_manifest(owner.api_version, owner.kind)
    word = kind.name.lower() + f".{kind.group}" if kind is not None else owner.kind.lower()
    return f"{word}/{owner.name}"


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
_DAEMON_SET = (
    NAME,
    Column("DESIRED", lambda ds, now_s: str(ds.status.desired_number_scheduled)),
    Column("CURRENT", lambda ds, now_s: str(ds.status.current_number_scheduled)),
    Column("READY", lambda ds, now_s: str(ds.status.number_ready), is_status=True),
    Column("UP-TO-DATE", lambda ds, now_s: str(ds.status.updated_number_scheduled)),
    Column("AVAILABLE", lambda ds, now_s: str(ds.status.number_available)),
    Column("NODE SELECTOR", _node_selector),
    AGE,
    *TEMPLATE,
)
_CONTROLLER_REVISION = (
    NAME,
    Column("CONTROLLER", _controller),
    Column("REVISION", lambda revision, now_s: str(revision.revision)),
    AGE,
)
_STATEFUL_SET = (NAME, Column("READY", _ready, is_status=True), AGE, *TEMPLATE[:2])

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.REPLICA_SET: Table(_REPLICA_SET),
    kinds.DEPLOYMENT: Table(_DEPLOYMENT),
    kinds.DAEMON_SET: Table(_DAEMON_SET),
    kinds.STATEFUL_SET: Table(_STATEFUL_SET),
    kinds.CONTROLLER_REVISION: Table(_CONTROLLER_REVISION),
}
