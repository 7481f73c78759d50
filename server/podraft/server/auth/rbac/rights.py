"""The rights of everybody: roles and bindings, found by the one whom they are bound to.

Owns: the index of bindings by subject, and the rules that a ClusterRole gathers from others.

Invariants: no clock, no store: whoever feeds it decides what it knows.  A decision reads the
bindings of the caller and of its groups in one namespace and in the whole cluster, never all of
them, and a bounded number.  A binding whose role does not exist gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from podraft.api.rbac.v1.rules_pb2 import Subject
from podraft.api.selectors.labels import LabelSelector, label_selector_of
from podraft.api.violations import InvalidObjectError
from podraft.server.auth.identity import Identity
from podraft.server.auth.rbac.rules import Request, Rule

AUTHENTICATED: Final = "system:authenticated"
SERVICE_ACCOUNT_PREFIX: Final = "system:serviceaccount:"
# Roles that would help are named in an explanation, some of them.
_NAMED_MAX: Final = 6
_DECIDED_MAX: Final = 10_000
# Bindings and rules that one question reads: some milliseconds.  What is bound in the whole
# cluster comes first, so that nobody who writes bindings in a namespace can hide it.
_LOOKED_AT_MAX: Final = 20_000


class Place(NamedTuple):
    """The namespace (empty: the cluster) and the name of a role or a binding."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Role:
    rules: tuple[Rule, ...]
    labels: dict[str, str]
    gathers: tuple[LabelSelector, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding of a role to subjects."""

    place: Place
    role: Place
    subjects: frozenset[str]

    @property
    def kind(self) -> str:
        """The binding's kind."""
        return "RoleBinding" if self.place.namespace else "ClusterRoleBinding"

    @property
    def role_kind(self) -> str:
        """The kind of the role."""
        return "Role" if self.role.namespace else "ClusterRole"


@dataclass(frozen=True, slots=True)
class Grant:
    """The rule that allows a call, and by which binding it is the caller's."""

    binding: Binding
    subject: str
    rule: Rule

    def __str__(self) -> str:
        binding = self.binding
        where = f' in namespace "{binding.place.namespace}"' if binding.place.namespace else ""
        return (
            f'{binding.kind} "{binding.place.name}"{where} gives {binding.role_kind} '
            f'"{binding.role.name}" to {told(self.subject)}: {self.rule}'
        )


def user_subject(name: str) -> str:
    """Return the subject of a user; a service account is a user, too."""
    return f"user {name}"


def group_subject(name: str) -> str:
    """Return the subject of a group."""
    return f"group {name}"


def told(subject: str) -> str:
    """Return a subject as messages name it."""
    kind, _, name = subject.partition(" ")
    return f'{kind} "{name}"'


def subjects_of(identity: Identity) -> tuple[str, ...]:
    """Return the subjects that an identity is: itself, its groups, and all who are known."""
    groups = sorted(identity.groups | {AUTHENTICATED})
    return (user_subject(identity.user), *map(group_subject, groups))


def _subject(subject: Subject) -> str:
    if subject.kind == "ServiceAccount":
        return user_subject(f"{SERVICE_ACCOUNT_PREFIX}{subject.namespace}:{subject.name}")
    return group_subject(subject.name) if subject.kind == "Group" else user_subject(subject.name)


class Rights:
    """Everybody's rights; each change returns the subjects that it concerns."""

    def __init__(self) -> None:
        self._roles: dict[Place, _Role] = {}
        self._bindings: dict[Place, Binding] = {}
        self._by_subject: dict[str, dict[str, dict[Place, Binding]]] = {}
        self._by_role: dict[Place, set[Place]] = {}
        self._gathered: dict[Place, tuple[Rule, ...]] = {}
        # The decisions since the last change: callers ask the same again and again.
        self._decided: dict[tuple[Identity, Request], Grant | None] = {}

    # Changes

    def put_role(self, place: Place, role: Any) -> frozenset[str]:
        """Take a Role or ClusterRole as it is now."""
        self._decided.clear()
        gathers = _selectors(role) if not place.namespace else ()
        rules = tuple(Rule.of(rule) for rule in role.rules)
        self._roles[place] = _Role(rules, dict(role.metadata.labels), gathers)
        return self._role_changed(place)

    def remove_role(self, place: Place) -> frozenset[str]:
        """Forget a role."""
        self._decided.clear()
        self._roles.pop(place, None)
        return self._role_changed(place)

    def _role_changed(self, place: Place) -> frozenset[str]:
        affected = {place}
        if not place.namespace:
            self._gathered.clear()
            affected.update(name for name, role in self._roles.items() if role.gathers)
        found: set[str] = set()
        for role in affected:
            for binding in self._by_role.get(role, ()):
                found |= self._bindings[binding].subjects
        return frozenset(found)

    def put_binding(self, place: Place, binding: Any) -> frozenset[str]:
        """Take a RoleBinding or ClusterRoleBinding as it is now."""
        former = self.remove_binding(place)
        in_namespace = place.namespace if binding.role_ref.kind == "Role" else ""
        subjects = frozenset(_subject(subject) for subject in binding.subjects)
        taken = Binding(place, Place(in_namespace, binding.role_ref.name), subjects)
        self._bindings[place] = taken
        self._by_role.setdefault(taken.role, set()).add(place)
        for subject in subjects:
            places = self._by_subject.setdefault(subject, {})
            places.setdefault(place.namespace, {})[place] = taken
        return former | subjects

    def remove_binding(self, place: Place) -> frozenset[str]:
        """Forget a binding."""
        self._decided.clear()
        binding = self._bindings.pop(place, None)
        if binding is None:
            return frozenset()
        bound = self._by_role[binding.role]
        bound.discard(place)
        if not bound:
            del self._by_role[binding.role]
        for subject in binding.subjects:
            places = self._by_subject[subject]
            del places[place.namespace][place]
            if not places[place.namespace]:
                del places[place.namespace]
            if not places:
                del self._by_subject[subject]
        return binding.subjects

    # Questions

    def grant(self, identity: Identity, call: Request) -> Grant | None:
        """Return the rule by which an identity may make a call; None if there is none."""
        key = (identity, call)
        if key in self._decided:
            return self._decided[key]
        if len(self._decided) >= _DECIDED_MAX:
            self._decided.clear()
        found = self._decided[key] = self._found(identity, call)
        return found

    def _found(self, identity: Identity, call: Request) -> Grant | None:
        looked_at = 0
        for binding, subject in self._bound(identity, call.namespace):
            rules = self.rules(binding.role)
            for rule in rules:
                if rule.allows(call):
                    return Grant(binding, subject, rule)
            looked_at += 1 + len(rules)
            if looked_at > _LOOKED_AT_MAX:
                return None
        return None

    def held(self, identity: Identity, namespace: str) -> list[Rule]:
        """Return the rules that an identity has in a namespace, or (empty) in the cluster."""
        found: dict[Rule, None] = {}
        looked_at = 0
        for binding, _ in self._bound(identity, namespace):
            rules = self.rules(binding.role)
            found.update(dict.fromkeys(rules))
            looked_at += 1 + len(rules)
            if looked_at > _LOOKED_AT_MAX:
                break
        return list(found)

    def _bound(self, identity: Identity, namespace: str) -> Iterator[tuple[Binding, str]]:
        subjects = subjects_of(identity)
        for place in ("", namespace) if namespace else ("",):
            for subject in subjects:
                for binding in self._by_subject.get(subject, {}).get(place, {}).values():
                    yield binding, subject

    def has_role(self, place: Place) -> bool:
        """Return whether a role exists."""
        return place in self._roles

    def rules(self, place: Place) -> tuple[Rule, ...]:
        """Return the rules of a role, those that it gathers included; none if it is absent."""
        role = self._roles.get(place)
        if role is None:
            return ()
        if not role.gathers:
            return role.rules
        found = self._gathered.get(place)
        if found is None:
            found = self._gathered[place] = self._gather(place)
        return found

    def _gather(self, place: Place) -> tuple[Rule, ...]:
        """Return the rules of all roles that a ClusterRole leads to; circles end."""
        rules: dict[Rule, None] = {}
        seen, ahead = {place}, [place]
        while ahead:
            role = self._roles[ahead.pop()]
            if not role.gathers:
                rules.update(dict.fromkeys(role.rules))
                continue
            for name, other in self._roles.items():
                if name.namespace or name in seen:
                    continue
                if any(selector.matches(other.labels) for selector in role.gathers):
                    seen.add(name)
                    ahead.append(name)
        return tuple(rules)

    def roles_that_allow(self, call: Request) -> list[str]:
        """Return some roles that allow a call, as a binding would name them, the smallest first."""
        found, looked_at = [], 0
        for place in self._roles:
            if looked_at > _LOOKED_AT_MAX:
                break
            if place.namespace in ("", call.namespace):
                rules = self.rules(place)
                looked_at += 1 + len(rules)
                if any(rule.allows(call) for rule in rules):
                    found.append((len(rules), place.namespace == "", place.name))
        return [
            f"{'ClusterRole' if cluster else 'Role'} {name}"
            for _, cluster, name in sorted(found)[:_NAMED_MAX]
        ]


def _selectors(role: Any) -> tuple[LabelSelector, ...]:
    if not role.HasField("aggregation_rule"):
        return ()
    return tuple(_compiled(role.aggregation_rule.cluster_role_selectors))


def _compiled(selectors: Iterable[Any]) -> Iterator[LabelSelector]:
    for selector in selectors:
        try:
            yield label_selector_of(selector)
        except InvalidObjectError:
            continue  # It selects nothing.
