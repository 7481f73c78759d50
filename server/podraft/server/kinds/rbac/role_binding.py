"""RoleBindings: who has the rights of a role in one namespace."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.rbac.v1.role_binding_pb2 import RoleBinding
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.policies import check_binding, check_same_role, default_binding


def _check(binding: RoleBinding, report: Report) -> None:
    check_binding(binding, report, namespaced=True)


RULES: Final[Rules[RoleBinding]] = Rules(
    check_name=names.path_segment,
    default=default_binding,
    check=_check,
    check_change=check_same_role,
)
