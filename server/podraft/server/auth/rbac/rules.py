"""One rule of a role, and one call that it may allow.

Owns: when a rule allows a call, and when one rule allows all that another one does.

Invariant: pure; a word that is not understood allows nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

from podraft.api.rbac.v1.rules_pb2 import PolicyRule

ALL: Final = "*"
# Calls that make an object, or remove a set of them, are of no object that has a name.
_NAMELESS: Final = frozenset({"create", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Request:
    """One call as rules see it; with a ``path`` it concerns no resource.

    ``resource`` includes the part: ``pods/log``; ``every`` is it of all resources: ``*/log``.
    """

    verb: str
    group: str = ""
    resource: str = ""
    every: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"{self.verb} the path {self.path}"
        resource, slash, part = self.resource.partition("/")
        what = f"{resource}.{self.group}" if self.group else resource
        what += slash + part
        if self.name:
            what += f' "{self.name}"'
        return f"{self.verb} {what}" + (
            f' in namespace "{self.namespace}"' if self.namespace else ""
        )


def request(
    verb: str, group: str, resource: str, part: str = "", namespace: str = "", name: str = ""
) -> Request:
    """Return the call of ``verb`` on a resource or on its ``part``, such as ``log``."""
    if verb in _NAMELESS and not part:
        name = ""
    if not part:
        return Request(verb, group, resource, "", namespace, name)
    return Request(verb, group, f"{resource}/{part}", f"*/{part}", namespace, name)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, ready to be asked."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rule: PolicyRule) -> Rule:
        """Return the rule that a role states."""
        return cls(
            frozenset(rule.verbs),
            frozenset(rule.api_groups),
            frozenset(rule.resources),
            frozenset(rule.resource_names),
            frozenset(rule.non_resource_urls),
        )

    def message(self) -> PolicyRule:
        """Return the rule as roles state it, in a fixed order."""
        return PolicyRule(
            verbs=sorted(self.verbs),
            api_groups=sorted(self.groups),
            resources=sorted(self.resources),
            resource_names=sorted(self.names),
            non_resource_urls=sorted(self.paths),
        )

    def allows(self, call: Request) -> bool:
        """Return whether the rule allows a call."""
        verbs = self.verbs
        if call.verb not in verbs and ALL not in verbs:
            return False
        if call.path:
            return any(_leads_to(path, call.path) for path in self.paths)
        groups = self.groups
        if call.group not in groups and ALL not in groups:
            return False
        resources = self.resources
        if not (call.resource in resources or ALL in resources or call.every in resources):
            return False
        return not self.names or call.name in self.names

    def covers(self, other: Rule) -> bool:
        """Return whether the rule alone allows everything that ``other`` does."""
        if not _within(other.verbs, self.verbs):
            return False
        if other.paths:
            return all(any(_leads_to(own, path) for own in self.paths) for path in other.paths)
        if not _within(other.groups, self.groups):
            return False
        if not all(self._has_resource(resource) for resource in other.resources):
            return False
        return not self.names or (bool(other.names) and other.names <= self.names)

    def _has_resource(self, resource: str) -> bool:
        if resource in self.resources or ALL in self.resources:
            return True
        _, slash, part = resource.partition("/")
        return bool(slash) and f"*/{part}" in self.resources

    @property
    def combinations(self) -> int:
        """The number of parts into which the rule falls."""
        if self.paths:
            return len(self.verbs) * len(self.paths)
        things = len(self.groups) * len(self.resources) * max(len(self.names), 1)
        return len(self.verbs) * things

    def parts(self) -> Iterator[Rule]:
        """Yield rules of one verb and one thing each, which together allow the same."""
        if self.paths:
            for verb, path in product(sorted(self.verbs), sorted(self.paths)):
                yield Rule(frozenset({verb}), paths=frozenset({path}))
            return
        names: Iterable[str | None] = sorted(self.names) or (None,)
        for verb, group, resource, name in product(
            sorted(self.verbs), sorted(self.groups), sorted(self.resources), names
        ):
            one = frozenset() if name is None else frozenset({name})
            yield Rule(frozenset({verb}), frozenset({group}), frozenset({resource}), one)

    def __str__(self) -> str:
        verbs = ",".join(sorted(self.verbs))
        if self.paths:
            return f"{verbs} on {','.join(sorted(self.paths))}"
        groups = ",".join(group or '""' for group in sorted(self.groups))
        text = f"{verbs} on {','.join(sorted(self.resources))} (apiGroups {groups})"
        return f"{text} named {','.join(sorted(self.names))}" if self.names else text


def _within(words: frozenset[str], allowed: frozenset[str]) -> bool:
    return ALL in allowed or words <= allowed


def _leads_to(path: str, asked: str) -> bool:
    """Return whether a rule's path, whose ``*`` stands for any end, means a path or all below."""
    if path.endswith(ALL):
        return asked.startswith(path[:-1])
    return path == asked
