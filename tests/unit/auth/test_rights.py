"""Rights by roles: every decision is that of a slow reading of all roles and bindings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from podraft.api.rbac.v1.cluster_role_binding_pb2 import ClusterRoleBinding
from podraft.api.rbac.v1.cluster_role_pb2 import ClusterRole
from podraft.api.rbac.v1.role_binding_pb2 import RoleBinding
from podraft.api.rbac.v1.role_pb2 import Role
from podraft.api.rbac.v1.rules_pb2 import PolicyRule, RoleRef, Subject
from podraft.server.auth.identity import Identity
from podraft.server.auth.rbac.rights import Place, Rights
from podraft.server.auth.rbac.rules import Request, Rule, request

VERBS = ("get", "list", "create", "delete", "deletecollection")
GROUPS = ("", "apps", "rbac.authorization.k8s.io")
RESOURCES = ("pods", "deployments", "roles")
PARTS = ("", "log", "scale")
NAMESPACES = ("", "a", "b")
NAMES = ("", "one", "two")
USERS = ("ada", "grace", "system:serviceaccount:a:robot")
SUBJECTS = (
    Subject(kind="User", name="ada"),
    Subject(kind="User", name="grace"),
    Subject(kind="Group", name="staff"),
    Subject(kind="Group", name="system:authenticated"),
    Subject(kind="ServiceAccount", namespace="a", name="robot"),
)
PATHS = ("/version", "/healthz", "/healthz/store")


class World:
    """Some roles and bindings, and what a slow reading of them allows."""

    def __init__(self, source: random.Random) -> None:
        self.roles: dict[tuple[str, str], Any] = {}
        self.bindings: dict[tuple[str, str], Any] = {}
        self.source = source
        self.rights = Rights()

    def step(self) -> frozenset[str]:
        """Change one role or binding; return the subjects that this is said to concern."""
        source, namespace = self.source, self.source.choice(NAMESPACES)
        place = Place(namespace, source.choice(("r1", "r2", "r3")))
        if source.random() < 0.5:
            if source.random() < 0.2:
                self.roles.pop(place, None)
                return self.rights.remove_role(place)
            role = (Role if namespace else ClusterRole)(rules=self.rules(namespace))
            role.metadata.labels[source.choice("xyz")] = "1"
            if not namespace and source.random() < 0.2:
                selector = role.aggregation_rule.cluster_role_selectors.add()
                selector.match_labels[source.choice("xyz")] = "1"
            self.roles[place] = role
            return self.rights.put_role(place, role)
        if source.random() < 0.2:
            self.bindings.pop(place, None)
            return self.rights.remove_binding(place)
        kind = source.choice(("Role", "ClusterRole")) if namespace else "ClusterRole"
        binding = (RoleBinding if namespace else ClusterRoleBinding)(
            subjects=source.sample(SUBJECTS, source.randint(0, 2)),
            role_ref=RoleRef(kind=kind, name=source.choice(("r1", "r2", "r3"))),
        )
        self.bindings[place] = binding
        return self.rights.put_binding(place, binding)

    def rules(self, namespace: str) -> list[PolicyRule]:
        """Return some rules."""
        return [self.rule(namespace) for _ in range(self.source.randint(0, 3))]

    def rule(self, namespace: str) -> PolicyRule:
        """Return a rule of random words."""
        source = self.source
        verbs = source.sample((*VERBS, "*"), source.randint(1, 2))
        if not namespace and source.random() < 0.2:
            paths = (*PATHS, "/healthz/*", "*")
            return PolicyRule(verbs=verbs, non_resource_urls=[source.choice(paths)])
        words = (*RESOURCES, "*", "pods/log", "*/scale", "deployments/scale")
        return PolicyRule(
            verbs=verbs,
            api_groups=source.sample((*GROUPS, "*"), source.randint(1, 2)),
            resources=source.sample(words, source.randint(1, 2)),
            resource_names=source.choice(([], [], ["one"], ["one", "two"])),
        )

    def expected(self, identity: Identity, call: Request) -> bool:
        """Read everything, and return whether the call is allowed."""
        for (namespace, _), binding in self.bindings.items():
            if namespace and namespace != call.namespace:
                continue
            if not any(self.is_subject(identity, subject) for subject in binding.subjects):
                continue
            in_namespace = namespace if binding.role_ref.kind == "Role" else ""
            rules = self.rules_of((in_namespace, binding.role_ref.name), set())
            if any(self.allows(rule, call) for rule in rules):
                return True
        return False

    def rules_of(self, place: tuple[str, str], seen: set[tuple[str, str]]) -> Iterator[PolicyRule]:
        """Yield a role's rules, and those of all that it gathers."""
        role = self.roles.get(place)
        if role is None or place in seen:
            return
        seen.add(place)
        if place[0] or not role.HasField("aggregation_rule"):
            yield from role.rules
            return
        for other, candidate in self.roles.items():
            for selector in role.aggregation_rule.cluster_role_selectors:
                labels = selector.match_labels.items()
                if not other[0] and labels <= candidate.metadata.labels.items():
                    yield from self.rules_of(other, seen)

    @staticmethod
    def is_subject(identity: Identity, subject: Subject) -> bool:
        """Return whether an identity is a subject."""
        if subject.kind == "Group":
            return subject.name in identity.groups or subject.name == "system:authenticated"
        name = subject.name
        if subject.kind == "ServiceAccount":
            name = f"system:serviceaccount:{subject.namespace}:{subject.name}"
        return identity.user == name

    @staticmethod
    def allows(rule: PolicyRule, call: Request) -> bool:
        """Return whether a rule allows a call, word by word."""
        if not any(verb in ("*", call.verb) for verb in rule.verbs):
            return False
        if call.path:
            return any(
                path == call.path or (path[-1] == "*" and call.path[: len(path) - 1] == path[:-1])
                for path in rule.non_resource_urls
            )
        if not any(group in ("*", call.group) for group in rule.api_groups):
            return False
        part = call.resource.partition("/")[2]
        fitting = ("*", call.resource, f"*/{part}" if part else "*")
        if not any(resource in fitting for resource in rule.resources):
            return False
        return not rule.resource_names or call.name in rule.resource_names


def calls() -> list[Request]:
    """Return all calls of the matrix."""
    matrix = product(VERBS, GROUPS, RESOURCES, PARTS, NAMESPACES, NAMES)
    return [request(*words) for words in matrix] + [
        Request(verb, path=path) for verb, path in product(VERBS, PATHS)
    ]


IDENTITIES = [
    *(Identity(user, frozenset()) for user in USERS),
    Identity("linus", frozenset({"staff"})),
    Identity("nobody", frozenset({"guests"})),
]


@pytest.mark.parametrize("seed", range(12))
def test_every_decision_is_that_of_a_slow_reading(seed: int) -> None:
    source = random.Random(seed)
    world, every = World(source), calls()
    allowed = 0
    for _ in range(6):
        for _ in range(8):
            world.step()
        for identity in IDENTITIES:
            for call in source.sample(every, 150):
                grant = world.rights.grant(identity, call)
                assert (grant is not None) is world.expected(identity, call), (seed, call)
                allowed += grant is not None
    assert allowed


@pytest.mark.parametrize("seed", range(6))
def test_a_rule_covers_exactly_what_it_allows_part_by_part(seed: int) -> None:
    source = random.Random(seed)
    world, every = World(source), calls()
    for _ in range(300):
        one, other = (Rule.of(world.rule("")) for _ in "ab")
        if one.covers(other):
            assert all(one.allows(call) for call in every if other.allows(call)), (one, other)
        parts = list(other.parts())
        assert len(parts) == other.combinations
        assert all(
            other.allows(call) is any(part.allows(call) for part in parts)
            for call in source.sample(every, 50)
        )


def test_a_decision_reads_a_bounded_number_of_rules_those_of_the_cluster_first() -> None:
    rights, namespace = Rights(), "a"
    crowd = Role(rules=[PolicyRule(verbs=["get"], api_groups=["x"], resources=["y"])] * 1000)
    everyone = Subject(kind="Group", name="system:authenticated")
    for number in range(100):
        place = Place(namespace, f"crowd-{number}")
        rights.put_role(place, crowd)
        role = RoleRef(kind="Role", name=place.name)
        rights.put_binding(place, RoleBinding(role_ref=role, subjects=[everyone]))
    wanted = PolicyRule(verbs=["get"], api_groups=[""], resources=["pods"])
    rights.put_role(Place("", "reader"), ClusterRole(rules=[wanted]))
    reader = RoleRef(kind="ClusterRole", name="reader")
    ada = Subject(kind="User", name="ada")
    rights.put_binding(Place("", "ada"), ClusterRoleBinding(role_ref=reader, subjects=[ada]))
    call = request("get", "", "pods", "", namespace, "web")
    assert rights.grant(Identity("ada", frozenset()), call) is not None
    late = RoleBinding(role_ref=reader, subjects=[Subject(kind="User", name="zoe")])
    rights.put_binding(Place("b", "zoe"), late)
    zoe = Identity("zoe", frozenset())
    assert rights.grant(zoe, request("get", "", "pods", "", "b", "web")) is not None
    assert len(rights.held(zoe, namespace)) == 1


def test_a_change_names_all_whom_it_concerns_and_nobody_else() -> None:
    for seed in range(8):
        source = random.Random(seed)
        world, every = World(source), calls()
        for _ in range(40):
            before = {
                (identity.user, call): world.rights.grant(identity, call) is not None
                for identity in IDENTITIES
                for call in source.sample(every, 15)
            }
            told = world.step()
            for (user, call), could in before.items():
                identity = next(one for one in IDENTITIES if one.user == user)
                can = world.rights.grant(identity, call) is not None
                if can is not could:
                    subjects = {f"user {user}", "group system:authenticated"}
                    subjects |= {f"group {group}" for group in identity.groups}
                    assert told & subjects, (seed, call)
