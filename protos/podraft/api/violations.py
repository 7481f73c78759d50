"""What is wrong with an object: the field, and what was expected of it.

Owns: the violation record and the error that carries one or more of them.
The codec, the selectors and admission raise it; the API server turns it into
``google.rpc.BadRequest``, the CLI prints it.

Invariant: a field is a path of JSON names (``spec.containers[0].image``), never
of protobuf names, because that is what a user wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# An object with more faults than these is not understood better by reading on.
MAX_VIOLATIONS = 100


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault: ``field`` is a path of JSON names, empty for the whole object."""

    field: str
    description: str

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class InvalidObjectError(Exception):
    """An object breaks at least one rule; ``violations`` says which, in the order found."""

    def __init__(self, violations: Iterable[Violation]) -> None:
        self.violations = tuple(violations)[:MAX_VIOLATIONS]
        if not self.violations:
            raise ValueError("an invalid object has at least one violation")
        super().__init__("; ".join(str(violation) for violation in self.violations))

    @classmethod
    def of(cls, field: str, description: str) -> InvalidObjectError:
        """Return the error of a single violation."""
        return cls((Violation(field, description),))


def shown(value: object, limit: int = 60) -> str:
    """Return ``value`` as a message quotes it: short, on one line, text in double quotes."""
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
