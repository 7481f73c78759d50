"""Bindings: their defaults, and the role that they keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from support.api_objects import example

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GROUP = "rbac.authorization.k8s.io"
BINDINGS = pytest.mark.parametrize(
    "kind", (kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING), ids=lambda kind: kind.name
)


def created(kind: AnyKind) -> Any:
    """Return a binding as the server stores it."""
    return rooms.prepare_create(
        kind, example(kind, "b"), now=NOW, uid="u", name_suffix="", known=kinds.BUILT_IN
    )


@BINDINGS
def test_users_groups_and_roles_are_of_the_group_of_rights(kind: AnyKind) -> None:
    binding = created(kind)
    assert [subject.api_group for subject in binding.subjects] == [GROUP]
    assert binding.role_ref.api_group == GROUP


@BINDINGS
def test_a_binding_keeps_its_role_but_not_its_subjects(kind: AnyKind) -> None:
    stored = created(kind)
    changed = created(kind)
    changed.subjects[0].name = "grace"
    updated: Any = rooms.prepare_update(kind, stored, changed, known=kinds.BUILT_IN)
    assert updated.subjects[0].name == "grace"
    changed.role_ref.name = "cluster-admin"
    with pytest.raises(InvalidObjectError) as caught:
        rooms.prepare_update(kind, stored, changed, known=kinds.BUILT_IN)
    assert [violation.field for violation in caught.value.violations] == ["roleRef"]
