"""Selectors: which objects a list, a watch or a workload means.

Owns: label selectors (from text and from messages) and field selectors, both
compiled once and matched many times.

Invariant: a selector that was made is valid; matching never fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api import names
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import InvalidObjectError, Violation, shown

Operator: TypeAlias = Literal["In", "NotIn", "Exists", "DoesNotExist"]
_OPERATORS: dict[str, Operator] = {
    "In": "In",
    "NotIn": "NotIn",
    "Exists": "Exists",
    "DoesNotExist": "DoesNotExist",
}

# A selector beyond these bounds is a mistake, and matching it against every object is not free.
MAX_SELECTOR_LENGTH = 16 * 1024
MAX_REQUIREMENTS = 256


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the label ``key``."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether the condition holds; an absent label satisfies ``NotIn``."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={values}"
            case "NotIn" if len(self.values) == 1:
                return f"{self.key}!={values}"
            case "In" | "NotIn":
                return f"{self.key} {self.operator.lower()} ({values})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements; with none it matches everything."""

    requirements: tuple[Requirement, ...] = ()
    # An absent selector of a workload matches nothing, which no requirement can say.
    never: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Say whether ``labels`` satisfy every requirement."""
        if self.never:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def is_everything(self) -> bool:
        """Say whether every object matches, so that the check can be skipped."""
        return not self.never and not self.requirements

    def __str__(self) -> str:
        return "<none>" if self.never else ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(never=True)

_TERM = re.compile(
    r"\s*(?:"
    r"!\s*(?P<absent>[^\s,=!()]+)"
    r"|(?P<key>[^\s,=!()]+)\s*"
    r"(?:(?P<equality>==|=|!=)\s*(?P<value>[^\s,=!()]*)"
    r"|\s(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?"
    r")\s*(?:,|$)"
)


@lru_cache(maxsize=1024)
def parse_label_selector(text: str, field: str = "labelSelector") -> LabelSelector:
    """Return the selector that a text such as ``a=b,c!=d,e in (x,y),!f`` says.

    Raises:
        InvalidObjectError: The text is malformed, or a key or value is no label.

    """
    if not text.strip():
        return EVERYTHING
    if len(text) > MAX_SELECTOR_LENGTH:
        raise InvalidObjectError.of(field, f"must be at most {MAX_SELECTOR_LENGTH} characters")
    requirements: list[Requirement] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None:
            raise InvalidObjectError.of(
                field,
                f"cannot parse {shown(text[position:].strip())}: expected key=value, key!=value, "
                "key in (a,b), key notin (a,b), key or !key, separated by commas",
            )
        requirements.append(_requirement_of_term(match))
        position = match.end()
    if text.rstrip().endswith(","):
        raise InvalidObjectError.of(field, "ends with a comma: expected another requirement")
    _check_requirements(requirements, field)
    return LabelSelector(tuple(requirements))


def _requirement_of_term(match: re.Match[str]) -> Requirement:
    if (absent := match["absent"]) is not None:
        return Requirement(absent, "DoesNotExist")
    key = match["key"]
    if (equality := match["equality"]) is not None:
        return Requirement(key, "NotIn" if equality == "!=" else "In", frozenset((match["value"],)))
    if (operator := match["set"]) is not None:
        values = frozenset(value.strip() for value in match["values"].split(","))
        return Requirement(key, "In" if operator == "in" else "NotIn", values)
    return Requirement(key, "Exists")


def _check_requirements(requirements: list[Requirement], field: str) -> None:
    violations = []
    if len(requirements) > MAX_REQUIREMENTS:
        violations.append(Violation(field, f"must have at most {MAX_REQUIREMENTS} requirements"))
    for requirement in requirements:
        if problem := names.label_key(requirement.key):
            violations.append(Violation(field, f"key {shown(requirement.key)} {problem}"))
        violations += [
            Violation(field, f"value {shown(value)} {problem}")
            for value in sorted(requirement.values)
            if (problem := names.label_value(value))
        ]
    if violations:
        raise InvalidObjectError(violations)


def exact_selector(labels: Mapping[str, str]) -> LabelSelector:
    """Return the selector of objects that carry all of ``labels``; of none, nothing.

    This is what a Service's selector means.
    """
    if not labels:
        return NOTHING
    return LabelSelector(
        tuple(Requirement(k, "In", frozenset((v,))) for k, v in sorted(labels.items()))
    )


def label_selector_of(message: meta_pb2.LabelSelector, field: str = "selector") -> LabelSelector:
    """Return the compiled form of a workload's selector; an empty one matches everything.

    Raises:
        InvalidObjectError: A key, operator or value is wrong.

    """
    if violations := check_label_selector(message, field):
        raise InvalidObjectError(violations)
    requirements = [
        Requirement(key, "In", frozenset((value,)))
        for key, value in sorted(message.match_labels.items())
    ]
    requirements += [
        Requirement(term.key, _OPERATORS[term.operator], frozenset(term.values))
        for term in message.match_expressions
    ]
    return LabelSelector(tuple(requirements))


def check_label_selector(message: meta_pb2.LabelSelector, field: str) -> list[Violation]:
    """Return what is wrong with a workload's selector."""
    found: list[Violation] = []
    for key, value in message.match_labels.items():
        if problem := names.label_key(key):
            found.append(Violation(f"{field}.matchLabels", f"key {shown(key)} {problem}"))
        if problem := names.label_value(value):
            found.append(Violation(f"{field}.matchLabels[{key}]", f"{shown(value)} {problem}"))
    for index, term in enumerate(message.match_expressions):
        path = f"{field}.matchExpressions[{index}]"
        if problem := names.label_key(term.key):
            found.append(Violation(f"{path}.key", f"{shown(term.key)} {problem}"))
        found += _check_operator(term, path)
        for position, value in enumerate(term.values):
            if problem := names.label_value(value):
                found.append(Violation(f"{path}.values[{position}]", f"{shown(value)} {problem}"))
    return found


def _check_operator(term: meta_pb2.LabelSelectorRequirement, path: str) -> list[Violation]:
    match _OPERATORS.get(term.operator):
        case None:
            expected = f"expected one of {', '.join(_OPERATORS)}, got {shown(term.operator)}"
            return [Violation(f"{path}.operator", expected)]
        case "In" | "NotIn":
            if not term.values:
                return [Violation(f"{path}.values", f"is required with operator {term.operator}")]
        case "Exists" | "DoesNotExist":
            if term.values:
                return [Violation(f"{path}.values", f"must be empty with operator {term.operator}")]
    return []


# ---- Fields ---------------------------------------------------------------------------------

Getter: TypeAlias = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """One condition on a field: equal to ``value``, or not."""

    path: str
    value: str
    equal: bool
    get: Getter


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """A conjunction of conditions on fields; with none it matches everything."""

    requirements: tuple[FieldRequirement, ...] = ()

    def matches(self, message: Message) -> bool:
        """Say whether an object of the selector's kind satisfies every condition."""
        return all((term.get(message) == term.value) is term.equal for term in self.requirements)

    @property
    def is_everything(self) -> bool:
        """Say whether every object matches, so that the check can be skipped."""
        return not self.requirements

    def required(self, path: str) -> str | None:
        """Return the value that ``path`` must equal, if the selector demands one."""
        for term in self.requirements:
            if term.path == path and term.equal:
                return term.value
        return None

    def __str__(self) -> str:
        return ",".join(
            f"{term.path}{'=' if term.equal else '!='}{term.value}" for term in self.requirements
        )


_FIELD_TERM = re.compile(r"\s*([^\s=!,]+)\s*(==|=|!=)\s*([^,=!]*?)\s*")


def parse_field_selector(kind: AnyKind, text: str, field: str = "fieldSelector") -> FieldSelector:
    """Return the selector that a text such as ``spec.nodeName=n1,status.phase!=Running`` says.

    Raises:
        InvalidObjectError: The text is malformed, or the kind has no such selectable field.

    """
    if not text.strip():
        return FieldSelector()
    if len(text) > MAX_SELECTOR_LENGTH:
        raise InvalidObjectError.of(field, f"must be at most {MAX_SELECTOR_LENGTH} characters")
    requirements, violations = [], []
    for term in text.split(","):
        match = _FIELD_TERM.fullmatch(term)
        if match is None:
            expected = f"cannot parse {shown(term)}: expected path=value or path!=value"
            violations.append(Violation(field, expected))
            continue
        path, operator, value = match.groups()
        if path not in kind.selectable_fields:
            known = ", ".join(kind.selectable_fields)
            problem = (
                f"{kind.resource} cannot be selected by {shown(path)}: expected one of {known}"
            )
            violations.append(Violation(field, problem))
            continue
        getter = _getter(kind.message.DESCRIPTOR, path)
        requirements.append(FieldRequirement(path, value, operator != "!=", getter))
    if len(requirements) > MAX_REQUIREMENTS:
        violations.append(Violation(field, f"must have at most {MAX_REQUIREMENTS} requirements"))
    if violations:
        raise InvalidObjectError(violations)
    return FieldSelector(tuple(requirements))


def field_value(kind: AnyKind, message: Message, path: str) -> str:
    """Return a scalar field as selectors see it: unset is empty, a bool ``true`` or ``false``.

    Raises:
        KeyError: The kind has no such scalar field.

    """
    return _getter(kind.message.DESCRIPTOR, path)(message)


@lru_cache(maxsize=512)
def _getter(descriptor: Descriptor, path: str) -> Getter:
    """Compile a path of JSON names into attribute reads; protobuf reads defaults when unset."""
    attributes: list[str] = []
    current: Descriptor | None = descriptor
    field: FieldDescriptor | None = None
    for part in path.split("."):
        if current is None:
            raise KeyError(path)
        field = next((f for f in current.fields if f.json_name == part), None)
        if field is None or field.is_repeated:
            raise KeyError(path)
        attributes.append(field.name)
        current = field.message_type
    if field is None or current is not None:
        raise KeyError(path)
    *parents, last = attributes
    is_bool = field.type == FieldDescriptor.TYPE_BOOL

    def get(message: Any) -> str:
        for parent in parents:
            message = getattr(message, parent)
        value = getattr(message, last)
        if is_bool:
            return "true" if value else "false"
        return value if isinstance(value, str) else str(value)

    return get
