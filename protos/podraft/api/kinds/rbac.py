"""The kinds of ``rbac.authorization.k8s.io``: who may do what.

Owns: their entries.  Invariant: roles come before the bindings that name them, and both before
what somebody is to make with the rights.
"""

from __future__ import annotations

from typing import Final

from podraft.api.kinds.kind import AnyKind, Kind, Order
from podraft.api.rbac.v1 import (
    cluster_role_binding_pb2,
    cluster_role_pb2,
    role_binding_pb2,
    role_pb2,
)

RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_API_VERSION: Final = f"{RBAC_GROUP}/v1"

CLUSTER_ROLE = Kind(
    message=cluster_role_pb2.ClusterRole,
    api_version=_API_VERSION,
    resource="clusterroles",
    namespaced=False,
    order=Order.CONFIG,
    selectable_fields=("metadata.name",),
)
ROLE = Kind(
    message=role_pb2.Role,
    api_version=_API_VERSION,
    resource="roles",
    order=Order.CONFIG,
)
CLUSTER_ROLE_BINDING = Kind(
    message=cluster_role_binding_pb2.ClusterRoleBinding,
    api_version=_API_VERSION,
    resource="clusterrolebindings",
    namespaced=False,
    order=Order.CONFIG,
    selectable_fields=("metadata.name",),
)
ROLE_BINDING = Kind(
    message=role_binding_pb2.RoleBinding,
    api_version=_API_VERSION,
    resource="rolebindings",
    order=Order.CONFIG,
)

KINDS: Final[tuple[AnyKind, ...]] = (CLUSTER_ROLE, ROLE, CLUSTER_ROLE_BINDING, ROLE_BINDING)
