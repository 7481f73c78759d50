"""The kinds of the group ``apps``: workloads that make pods.

Owns: their entries.  Invariant: a kind that makes objects of another comes after it.
"""

from __future__ import annotations

from typing import Final

from podraft.api.apps.v1 import (
    controller_revision_pb2,
    daemon_set_pb2,
    deployment_pb2,
    replica_set_pb2,
    stateful_set_pb2,
)
from podraft.api.kinds.kind import AnyKind, Kind, Order, ScaleFields, TypedField

REPLICA_SET = Kind(
    message=replica_set_pb2.ReplicaSet,
    api_version="apps/v1",
    resource="replicasets",
    short_names=("rs",),
    order=Order.WORKLOADS,
    subresources=("status", "scale"),
    scale=ScaleFields(),
    categories=("all",),
)
ROLLING_UPDATE: Final = TypedField(
    "spec.strategy.type", "spec.strategy.rollingUpdate", forbidden_with=("Recreate",)
)
DEPLOYMENT = Kind(
    message=deployment_pb2.Deployment,
    api_version="apps/v1",
    resource="deployments",
    short_names=("deploy",),
    order=Order.WORKLOADS,
    subresources=("status", "scale"),
    scale=ScaleFields(),
    categories=("all",),
    typed_fields=(ROLLING_UPDATE,),
)
DAEMON_SET = Kind(
    message=daemon_set_pb2.DaemonSet,
    api_version="apps/v1",
    resource="daemonsets",
    short_names=("ds",),
    order=Order.WORKLOADS,
    subresources=("status",),
    categories=("all",),
)
ROLLING_UPDATE_IN_ORDER: Final = TypedField(
    "spec.updateStrategy.type", "spec.updateStrategy.rollingUpdate", forbidden_with=("OnDelete",)
)
STATEFUL_SET = Kind(
    message=stateful_set_pb2.StatefulSet,
    api_version="apps/v1",
    resource="statefulsets",
    short_names=("sts",),
    order=Order.WORKLOADS,
    subresources=("status", "scale"),
    scale=ScaleFields(),
    categories=("all",),
    typed_fields=(ROLLING_UPDATE_IN_ORDER,),
)
CONTROLLER_REVISION = Kind(
    message=controller_revision_pb2.ControllerRevision,
    api_version="apps/v1",
    resource="controllerrevisions",
    order=Order.RECORDS,
)

KINDS: Final[tuple[AnyKind, ...]] = (
    REPLICA_SET,
    DEPLOYMENT,
    DAEMON_SET,
    STATEFUL_SET,
    CONTROLLER_REVISION,
)
