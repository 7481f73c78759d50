"""Users of a real server who have what their certificates and bindings give them."""

from __future__ import annotations

import datetime
from typing import Any

from local_cluster.server_process import ServerProcess
from podraft.api import kinds
from podraft.api.meta.v1.meta_pb2 import ObjectMeta
from podraft.api.rbac.v1.cluster_role_binding_pb2 import ClusterRoleBinding
from podraft.api.rbac.v1.role_binding_pb2 import RoleBinding
from podraft.api.rbac.v1.rules_pb2 import RoleRef, Subject
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.server.auth.identity import Identity
from podraft.server.auth.pki import ensure_pki


def config_of(server: ServerProcess, user: str, *groups: str) -> ClusterConfig:
    """Return the configuration of a user whom the server's authority has certified."""
    authority = ensure_pki(server.data_dir / "pki", addresses=()).authority
    identity = Identity(user, frozenset(groups))
    pair = authority.issue_client(identity, datetime.datetime.now(datetime.UTC))
    admin = server.config()
    return ClusterConfig(admin.servers, admin.certificate_authority, pair.certificate, pair.key)


async def bind(admin: Client, role: str, user: str, namespace: str = "") -> str:
    """Bind a ClusterRole to a user, in a namespace or everywhere; return the binding's name."""
    name = f"{user}:{role}"
    given: dict[str, Any] = {
        "metadata": ObjectMeta(name=name, namespace=namespace),
        "role_ref": RoleRef(kind="ClusterRole", name=role),
        "subjects": [Subject(kind="User", name=user)],
    }
    if namespace:
        await admin.resource(kinds.ROLE_BINDING).create(RoleBinding(**given))
    else:
        await admin.resource(kinds.CLUSTER_ROLE_BINDING).create(ClusterRoleBinding(**given))
    return name
