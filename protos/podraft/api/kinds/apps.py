"""The kinds of the group ``apps``: workloads that make pods.

Owns: their entries.  Invariant: a kind that makes objects of another comes after it.
"""

from __future__ import annotations

from typing import Final

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.kinds.kind import AnyKind, Kind, Order, TypedField

REPLICA_SET = Kind(
    message=replica_set_pb2.ReplicaSet,
    api_version="apps/v1",
    resource="replicasets",
    short_names=("rs",),
    order=Order.WORKLOADS,
    subresources=("status",),
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
    subresources=("status",),
    categories=("all",),
    typed_fields=(ROLLING_UPDATE,),
)

KINDS: Final[tuple[AnyKind, ...]] = (REPLICA_SET, DEPLOYMENT)
