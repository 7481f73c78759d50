"""The faults of an object: the field, and what was expected of it.

Owns: the violation record and the error that carries one or more of them.
The codec, the selectors and admission raise it; the API server turns it into
``google.rpc.BadRequest``, the CLI prints it.

Invariant: a field is a path of JSON names (``spec.containers[0].image``), never
of protobuf names, because that is what a user wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

# Reading on does not help to understand an object with more faults than this.
VIOLATIONS_MAX = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault: ``field`` is a path of JSON names, empty for the whole object."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class InvalidObjectError(Exception):
    """An object breaks at least one rule; ``violations`` says which, in the order found.

    ``more`` means that there may be others, as the search ended.
    """

    def __init__(self, violations: Iterable[Violation], *, more: bool = False) -> None:
        found = tuple(islice(violations, VIOLATIONS_MAX + 1))
        if not found:
            raise ValueError("an invalid object has at least one violation")
        self.violations = found[:VIOLATIONS_MAX]
        self.more = more or len(found) > VIOLATIONS_MAX
        text = "; ".join(str(violation) for violation in self.violations)
        super().__init__(f"{text}; and perhaps more" if self.more else text)

    @classmethod
    def of(cls, field: str, description: str) -> InvalidObjectError:
        """Return the error for a single violation."""
        return cls((Violation(field, description),))


class Faults:
    """The faults found so far, to which checks add.

    Invariant: with the fault after ``VIOLATIONS_MAX`` the search ends, so that an object costs no
    more however much of it is wrong.
    """

    __slots__ = ("violations",)

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def add(self, field: str, description: str) -> None:
        """Note one fault.

        Raises:
            InvalidObjectError: The limit is exceeded.
        """
        if len(self.violations) >= VIOLATIONS_MAX:
            raise InvalidObjectError(self.violations, more=True)
        self.violations.append(Violation(field, description))

    def raise_if_any(self) -> None:
        """End the search.

        Raises:
            InvalidObjectError: Faults were found; the error holds all of them.
        """
        if self.violations:
            raise InvalidObjectError(self.violations)


def shown(value: object, limit: int = 60) -> str:
    """Return ``value`` as messages quote it: short, on one line, text in double quotes."""
    if isinstance(value, int) and value.bit_length() > 8 * limit:
        return f"a number of {value.bit_length()} bits"  # Python refuses to write the largest ones.
    text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if isinstance(value, str):
        escaped = "".join(c if c.isprintable() and c not in '"\\' else _escape(c) for c in text)
        return f'"{escaped}"'
    return text


def _escape(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character.encode("unicode_escape").decode("ascii")
