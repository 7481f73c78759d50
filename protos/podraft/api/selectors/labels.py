"""Label selectors, by which a list, a watch or a workload chooses objects.

Owns: selectors from text and from messages, compiled once and matched many times.

Invariants: every existing selector is valid; matching never fails, and costs little however many
terms there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from podraft.api import names
from podraft.api.meta.v1 import meta_pb2
from podraft.api.selectors import grammar
from podraft.api.violations import Faults, InvalidObjectError, shown

Operator: TypeAlias = Literal["In", "NotIn", "Exists", "DoesNotExist"]
_OPERATORS: dict[str, Operator] = {
    "In": "In",
    "NotIn": "NotIn",
    "Exists": "Exists",
    "DoesNotExist": "DoesNotExist",
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on the label ``key``."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the condition holds; an absent label satisfies ``NotIn``."""
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


class _KeyCondition(NamedTuple):
    """The combined requirements on one label."""

    # None: any value will do.
    allowed: frozenset[str] | None
    forbidden: frozenset[str]
    present: bool
    absent: bool


def _by_key(requirements: Iterable[Requirement]) -> dict[str, _KeyCondition]:
    """Return the conditions on each label."""
    found: dict[str, _KeyCondition] = {}
    for term in requirements:
        before = found.get(term.key, _KeyCondition(None, frozenset(), False, False))
        allowed, forbidden, present, absent = before
        match term.operator:
            case "In":
                allowed, present = (term.values if allowed is None else allowed & term.values), True
            case "NotIn":
                forbidden |= term.values
            case "Exists":
                present = True
            case "DoesNotExist":
                absent = True
        found[term.key] = _KeyCondition(allowed, forbidden, present, absent)
    return found


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction of requirements; with none it matches everything."""

    requirements: tuple[Requirement, ...] = ()
    # An absent selector of a workload matches nothing, which no requirement can express.
    never: bool = False
    _conditions: dict[str, _KeyCondition] = field(init=False, repr=False, compare=False)
    # How many of the conditions demand a label's presence.
    _present: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        conditions = _by_key(self.requirements)
        object.__setattr__(self, "_conditions", conditions)
        present = sum(condition.present for condition in conditions.values())
        object.__setattr__(self, "_present", present)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether ``labels`` satisfy every requirement.

        The time grows with the smaller of the two numbers: on an object with a few labels,
        hundreds of requirements cost no more than a few.
        """
        if self.never:
            return False
        conditions, get = self._conditions, labels.get
        if len(conditions) > _FEW and len(conditions) > len(labels):
            return self._matches_each(labels)
        for key, (allowed, forbidden, present, absent) in conditions.items():
            value = get(key)
            if value is None:
                if present:
                    return False
            elif absent or value in forbidden or (allowed is not None and value not in allowed):
                return False
        return True

    def _matches_each(self, labels: Mapping[str, str]) -> bool:
        """Match label by label, as most conditions are on labels that are absent."""
        demanded = self._present
        for key, value in labels.items():
            if (condition := self._conditions.get(key)) is None:
                continue
            allowed, forbidden, present, absent = condition
            if absent or value in forbidden or (allowed is not None and value not in allowed):
                return False
            demanded -= present
        return not demanded

    @property
    def is_everything(self) -> bool:
        """Whether every object matches, so that the check can be skipped."""
        return not self.never and not self.requirements

    def __str__(self) -> str:
        return "<none>" if self.never else ",".join(map(str, self.requirements))


# This many look-ups cost less than going through an object's labels.
_FEW = 4

EVERYTHING = LabelSelector()
NOTHING = LabelSelector(never=True)

_EXPECTED = (
    "expected key=value, key!=value, key in (a,b), key notin (a,b), key or !key, "
    "separated by commas"
)
# A longer text is parsed each time, so that the cache stays small.
_CACHED_LENGTH = 512


def parse_label_selector(text: str, field: str = "labelSelector") -> LabelSelector:
    """Return the selector for a text such as ``a=b,c!=d,e in (x,y),!f``.

    Raises:
        InvalidObjectError: The text is malformed, or a key or value is not valid in a label.

    """
    grammar.check_length(text, field)
    return (_parse_cached if len(text) <= _CACHED_LENGTH else _parse_labels)(text, field)


def _parse_labels(text: str, field: str) -> LabelSelector:
    if not text or text.isspace():
        return EVERYTHING
    if text.rstrip().endswith(","):
        raise InvalidObjectError.of(field, "ends with a comma: expected another requirement")
    requirements: list[Requirement] = []
    for term in grammar.terms(text):
        if not term:
            raise InvalidObjectError.of(field, f"has nothing between two commas: {_EXPECTED}")
        requirement = _requirement_of(term)
        if requirement is None:
            raise InvalidObjectError.of(field, f"cannot parse {shown(term)}: {_EXPECTED}")
        requirements.append(requirement)
        if len(requirements) > grammar.REQUIREMENTS_MAX:
            raise grammar.too_many(field)
    _check_requirements(requirements, field)
    return LabelSelector(tuple(requirements))


_parse_cached = lru_cache(maxsize=1024)(_parse_labels)


def _requirement_of(term: str) -> Requirement | None:
    """Return the requirement of one term of a label selector; None if the term is malformed."""
    is_operand = grammar.is_operand
    if is_operand(term):
        return Requirement(term, "Exists")
    if is_operand(absent := term[1:].strip()) and term[0] == "!":
        return Requirement(absent, "DoesNotExist")
    if (found := grammar.membership(term)) is not None:
        key, is_in, values = found
        if not is_operand(key):
            return None
        return Requirement(key, "In" if is_in else "NotIn", frozenset(values))
    if (compared := grammar.comparison(term)) is not None:
        key, equal, value = compared
        if is_operand(key) and (not value or is_operand(value)):
            return Requirement(key, "In" if equal else "NotIn", frozenset((value,)))
    return None


def _check_requirements(requirements: list[Requirement], field: str) -> None:
    faults = Faults()
    for requirement in requirements:
        if problem := names.label_key(requirement.key):
            faults.add(field, f"key {shown(requirement.key)} {problem}")
        for value in sorted(requirement.values):
            if problem := names.label_value(value):
                faults.add(field, f"value {shown(value)} {problem}")
    faults.raise_if_any()


def exact_selector(labels: Mapping[str, str]) -> LabelSelector:
    """Return the selector of objects that carry all of ``labels``; no labels match nothing.

    A Service's selector has this meaning.
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
    faults = Faults()
    check_label_selector(message, field, faults)
    faults.raise_if_any()
    requirements = [
        Requirement(key, "In", frozenset((value,)))
        for key, value in sorted(message.match_labels.items())
    ]
    requirements += [
        Requirement(term.key, _OPERATORS[term.operator], frozenset(term.values))
        for term in message.match_expressions
    ]
    return LabelSelector(tuple(requirements))


def check_label_selector(message: meta_pb2.LabelSelector, field: str, faults: Faults) -> None:
    """Add the faults of a workload's selector to ``faults``."""
    for key, value in message.match_labels.items():
        if problem := names.label_key(key):
            faults.add(f"{field}.matchLabels", f"key {shown(key)} {problem}")
        if problem := names.label_value(value):
            faults.add(f"{field}.matchLabels[{key}]", f"{shown(value)} {problem}")
    for index, term in enumerate(message.match_expressions):
        path = f"{field}.matchExpressions[{index}]"
        if problem := names.label_key(term.key):
            faults.add(f"{path}.key", f"{shown(term.key)} {problem}")
        _check_operator(term, path, faults)
        for position, value in enumerate(term.values):
            if problem := names.label_value(value):
                faults.add(f"{path}.values[{position}]", f"{shown(value)} {problem}")


def _check_operator(term: meta_pb2.LabelSelectorRequirement, path: str, faults: Faults) -> None:
    match _OPERATORS.get(term.operator):
        case None:
            expected = f"expected one of {', '.join(_OPERATORS)}, got {shown(term.operator)}"
            faults.add(f"{path}.operator", expected)
        case "In" | "NotIn":
            if not term.values:
                faults.add(f"{path}.values", f"is required with operator {term.operator}")
        case "Exists" | "DoesNotExist":
            if term.values:
                faults.add(f"{path}.values", f"must be empty with operator {term.operator}")
