"""What of each call is kept: the rules of an audit policy, the first that fits decides.

Owns: reading a policy as Kubernetes writes it (``audit.k8s.io/v1``, kind ``Policy``), and the level
of a call.

Invariants: pure; a call that no rule fits is not kept; a policy with a fault is refused whole.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podraft.server.audit.calls import AuditedCall, Operation


class Level(enum.IntEnum):
    """How much of a call is kept."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3

    @property
    def word(self) -> str:
        """The level's name in policies and in the log."""
        return _WORDS[self]


_WORDS: Final = {
    Level.NONE: "None",
    Level.METADATA: "Metadata",
    Level.REQUEST: "Request",
    Level.REQUEST_RESPONSE: "RequestResponse",
}
_LEVELS: Final = {word: level for level, word in _WORDS.items()}
_RULES_MAX: Final = 1000
_LISTS: Final = ("users", "userGroups", "verbs", "namespaces", "nonResourceURLs", "omitStages")
_RULE_FIELDS: Final = frozenset({"level", "resources", "omitManagedFields", *_LISTS})
_POLICY_FIELDS: Final = frozenset(
    {"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}
)


class PolicyError(ValueError):
    """The error of a malformed policy; the message says where and why."""


@dataclass(frozen=True, slots=True)
class _Resources:
    group: str
    resources: frozenset[str]
    names: frozenset[str]

    def fits(self, operation: Operation) -> bool:
        if self.group != operation.group:
            return False
        if self.resources and not self.resources & operation.resource_words:
            return False
        return not self.names or operation.name in self.names


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: which calls it fits, and their level; what is empty fits every call."""

    level: Level
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    resources: tuple[_Resources, ...] = ()
    paths: tuple[str, ...] = ()

    def fits(self, call: AuditedCall, operation: Operation) -> bool:
        """Return whether the rule fits one operation of a call."""
        if self.users and call.user not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(call.groups):
            return False
        if self.verbs and operation.verb not in self.verbs and "*" not in self.verbs:
            return False
        if self.namespaces and operation.namespace not in self.namespaces:
            return False
        if not self.resources and not self.paths:
            return True
        if operation.resource:
            return any(resources.fits(operation) for resources in self.resources)
        return any(
            call.method.startswith(path[:-1]) if path.endswith("*") else call.method == path
            for path in self.paths
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in their order.

    ``refusals``: calls that were refused are kept at least at the level Metadata, whatever fits.
    """

    rules: tuple[Rule, ...]
    refusals: bool = False

    def level(self, call: AuditedCall) -> Level:
        """Return the level of a call: the highest of its operations'."""
        level = max(self._level(call, operation) for operation in call.operations)
        if self.refusals and call.is_refused:
            level = max(level, Level.METADATA)
        return level

    def _level(self, call: AuditedCall, operation: Operation) -> Level:
        for rule in self.rules:
            if rule.fits(call, operation):
                return rule.level
        return Level.NONE


_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_SYSTEM: Final = frozenset({"system:nodes", "system:scheduler", "system:controllers"})
# Without a policy: what users change and what is refused, and who reads secrets.
DEFAULT: Final = Policy(
    (
        Rule(Level.NONE, groups=_SYSTEM),
        Rule(Level.METADATA, verbs=_WRITES),
        Rule(Level.METADATA, resources=(_Resources("", frozenset({"secrets"}), frozenset()),)),
    ),
    refusals=True,
)


def policy_of(document: object) -> Policy:
    """Return the policy that a parsed document states.

    Raises:
        PolicyError: It is none, or one of its rules has a fault.
    """
    policy = _mapping(document, "the policy")
    if (policy.get("apiVersion"), policy.get("kind")) != ("audit.k8s.io/v1", "Policy"):
        raise PolicyError("expected apiVersion audit.k8s.io/v1 and kind Policy")
    _known(policy, _POLICY_FIELDS, "the policy")
    rules = policy.get("rules")
    if not isinstance(rules, list) or not rules:
        raise PolicyError("rules: at least one is required")
    if len(rules) > _RULES_MAX:
        raise PolicyError(f"rules: at most {_RULES_MAX} are taken, there are {len(rules)}")
    return Policy(tuple(_rule(rule, f"rules[{index}]") for index, rule in enumerate(rules)))


def _rule(given: object, at: str) -> Rule:
    rule = _mapping(given, at)
    _known(rule, _RULE_FIELDS, at)
    level = _LEVELS.get(str(rule.get("level")))
    if level is None:
        raise PolicyError(f"{at}.level: expected one of {', '.join(_LEVELS)}")
    lists = {name: _texts(rule.get(name), f"{at}.{name}") for name in _LISTS}
    resources = rule.get("resources") or []
    if not isinstance(resources, list):
        raise PolicyError(f"{at}.resources: a list is expected")
    return Rule(
        level,
        frozenset(lists["users"]),
        frozenset(lists["userGroups"]),
        frozenset(lists["verbs"]),
        frozenset(lists["namespaces"]),
        tuple(_resources(one, f"{at}.resources[{i}]") for i, one in enumerate(resources)),
        tuple(lists["nonResourceURLs"]),
    )


def _resources(given: object, at: str) -> _Resources:
    stated = _mapping(given, at)
    _known(stated, frozenset({"group", "resources", "resourceNames"}), at)
    group = stated.get("group") or ""
    if not isinstance(group, str):
        raise PolicyError(f"{at}.group: text is expected")
    return _Resources(
        group,
        frozenset(_texts(stated.get("resources"), f"{at}.resources")),
        frozenset(_texts(stated.get("resourceNames"), f"{at}.resourceNames")),
    )


def _mapping(given: object, at: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise PolicyError(f"{at}: a mapping is expected")
    return given


def _known(given: Mapping[str, Any], fields: frozenset[str], at: str) -> None:
    for field in given:
        if field not in fields:
            raise PolicyError(f"{at}: there is no field {field!r}")


def _texts(given: object, at: str) -> Sequence[str]:
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise PolicyError(f"{at}: a list of texts is expected")
    return given
