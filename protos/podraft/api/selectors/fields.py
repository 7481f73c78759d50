"""Field selectors, by which a list or a watch chooses objects of a kind.

Owns: selectors from text, compiled once and matched many times; how a field is compared.

Invariants: every existing selector is valid; matching never fails, and reads each field once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from podraft.api.kinds import AnyKind
from podraft.api.selectors import grammar
from podraft.api.violations import Faults, shown

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
    # For each field: its getter, the allowed values (None: any) and the forbidden ones.
    _by_path: dict[str, tuple[Getter, frozenset[str] | None, frozenset[str]]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        by_path: dict[str, tuple[Getter, frozenset[str] | None, frozenset[str]]] = {}
        for term in self.requirements:
            get, allowed, forbidden = by_path.get(term.path) or (term.get, None, frozenset())
            if not term.equal:
                forbidden |= {term.value}
            elif allowed is None:
                allowed = frozenset((term.value,))
            else:
                allowed &= {term.value}
            by_path[term.path] = (get, allowed, forbidden)
        object.__setattr__(self, "_by_path", by_path)

    def matches(self, message: Message) -> bool:
        """Return whether an object of the selector's kind satisfies every condition.

        Each field is read once, however many conditions it has.
        """
        for get, allowed, forbidden in self._by_path.values():
            value = get(message)
            if value in forbidden or (allowed is not None and value not in allowed):
                return False
        return True

    @property
    def is_everything(self) -> bool:
        """Whether every object matches, so that the check can be skipped."""
        return not self.requirements

    def required(self, path: str) -> str | None:
        """Return the value that ``path`` must equal, or None if the selector demands none."""
        for term in self.requirements:
            if term.path == path and term.equal:
                return term.value
        return None

    def __str__(self) -> str:
        return ",".join(
            f"{term.path}{'=' if term.equal else '!='}{term.value}" for term in self.requirements
        )


def parse_field_selector(kind: AnyKind, text: str, field: str = "fieldSelector") -> FieldSelector:
    """Return the selector for a text such as ``spec.nodeName=n1,status.phase!=Running``.

    Raises:
        InvalidObjectError: The text is malformed, or the kind has no such selectable field.

    """
    grammar.check_length(text, field)
    if not text or text.isspace():
        return FieldSelector()
    requirements, faults = [], Faults()
    for term in text.split(","):
        path, equal, value = grammar.comparison(term) or ("", True, "")
        known_path = path in kind.selectable_fields
        if "=" in value or "!" in value or not (known_path or grammar.is_operand(path)):
            expected = f"cannot parse {shown(term)}: expected path=value or path!=value"
            faults.add(field, expected)
            continue
        if not known_path:
            known = ", ".join(kind.selectable_fields)
            problem = (
                f"{kind.resource} cannot be selected by {shown(path)}: expected one of {known}"
            )
            faults.add(field, problem)
            continue
        getter = _getter(kind.message.DESCRIPTOR, path)
        requirements.append(FieldRequirement(path, value, equal, getter))
        if len(requirements) > grammar.REQUIREMENTS_MAX:
            raise grammar.too_many(field)
    faults.raise_if_any()
    return FieldSelector(tuple(requirements))


def field_value(kind: AnyKind, message: Message, path: str) -> str:
    """Return a scalar field as selectors see it: empty if unset, a bool as ``true`` or ``false``.

    Raises:
        KeyError: The kind has no such scalar field.

    """
    return _getter(kind.message.DESCRIPTOR, path)(message)


@lru_cache(maxsize=512)
def _getter(descriptor: Descriptor, path: str) -> Getter:
    """Compile a path of JSON names into attribute reads; unset fields give their defaults."""
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
