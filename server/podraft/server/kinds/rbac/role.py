"""Roles: rights in one namespace."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.rbac.v1.role_pb2 import Role
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.policies import check_rules


def _check(role: Role, report: Report) -> None:
    check_rules(role.rules, report, namespaced=True)


RULES: Final[Rules[Role]] = Rules(check_name=names.path_segment, check=_check)
