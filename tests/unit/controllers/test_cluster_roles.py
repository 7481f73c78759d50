"""Roles that gather others show the rules by which calls are decided."""

from __future__ import annotations

from podraft.api.kinds import CLUSTER_ROLE
from podraft.api.moments import Now
from podraft.api.rbac.v1.cluster_role_pb2 import ClusterRole
from podraft.server.auth.rbac import defaults
from podraft.server.auth.rbac.rights import Place, Rights
from podraft.server.auth.rbac.rules import Rule
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.cluster_roles.plan import plan
from support.controller_world import World


def planned(world: World, name: str) -> ClusterRole | None:
    """Return a role as the plan writes it; None if it leaves the role alone."""
    (*_, write) = plan(world, ObjectKey("", name), Now(0.0, 0.0)).writes or (None,)
    if write is None:
        return None
    return ClusterRole.FromString(write.update.object.value)


def test_a_role_shows_exactly_what_it_gives_and_then_stays() -> None:
    world, rights = World(), Rights()
    for role in defaults.default_roles():
        world.create(role)
        rights.put_role(Place("", role.metadata.name), role)
    for name in ("view", "edit", "admin"):
        written = planned(world, name)
        assert written is not None
        given = set(rights.rules(Place("", name)))
        assert {Rule.of(rule) for rule in written.rules} == given
        assert len(given) > 5
        world.objects[(CLUSTER_ROLE.resource, "", name)] = written
        assert planned(world, name) is None


def test_roles_that_gather_nothing_are_left_alone() -> None:
    world = World()
    for role in defaults.default_roles():
        world.create(role)
    assert planned(world, "cluster-admin") is None
    assert planned(world, "no-such-role") is None


def test_roles_that_gather_each_other_come_to_an_end() -> None:
    world = World()
    for name, other in (("a", "b"), ("b", "a")):
        role = ClusterRole()
        role.metadata.name = name
        role.metadata.labels[name] = "1"
        role.aggregation_rule.cluster_role_selectors.add().match_labels[other] = "1"
        world.create(role)
    assert planned(world, "a") is None
    plain = ClusterRole()
    plain.metadata.name = "plain"
    plain.metadata.labels["a"] = "1"
    plain.rules.add(verbs=["get"], api_groups=[""], resources=["pods"])
    world.create(plain)
    for name in ("a", "b"):
        written = planned(world, name)
        assert written is not None
        assert list(written.rules) == list(plain.rules)
