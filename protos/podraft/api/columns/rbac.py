"""The tables of the group ``rbac.authorization.k8s.io``: roles, and to whom they are bound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podraft.api import kinds, times
from podraft.api.columns.column import AGE, NAME, Column, Table

_CREATED_AT: Final = Column(
    "CREATED AT",
    lambda role, now_s: times.format_time(role.metadata.creation_timestamp),
)


def _role(binding: Any, now_s: float) -> str:
    return f"{binding.role_ref.kind}/{binding.role_ref.name}"


def _subjects(kind: str) -> Callable[[Any, float], str]:
    def named(binding: Any, now_s: float) -> str:
        return ", ".join(
            f"{subject.namespace}/{subject.name}" if subject.namespace else subject.name
            for subject in binding.subjects
            if subject.kind == kind
        )

    return named


_BINDING: Final = (
    NAME,
    Column("ROLE", _role),
    AGE,
    Column("USERS", _subjects("User"), wide=True),
    Column("GROUPS", _subjects("Group"), wide=True),
    Column("SERVICEACCOUNTS", _subjects("ServiceAccount"), wide=True),
)
_ROLE: Final = (NAME, _CREATED_AT)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.ROLE: Table(_ROLE),
    kinds.CLUSTER_ROLE: Table(_ROLE),
    kinds.ROLE_BINDING: Table(_BINDING),
    kinds.CLUSTER_ROLE_BINDING: Table(_BINDING),
}
