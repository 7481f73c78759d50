"""The parts of a parsed template.

Invariant: a template is immutable; ``Range`` nests, so no counter of open ranges is needed when it
is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


class JsonPathError(Exception):
    """A template that is faulty, or that does not fit the object; the message is for a user."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number or boolean that the template states."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Field:
    """One member of an object: ``.name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Some elements of a list: ``[0]``, ``[1:3]``, ``[::2]``, ``[*]``; ``single`` is one index."""

    start: int | None = None
    end: int | None = None
    step: int | None = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """All members of an object or elements of a list: ``.*``."""


@dataclass(frozen=True, slots=True)
class Descent:
    """A value with all objects and lists below it: ``..``."""


@dataclass(frozen=True, slots=True)
class Union:
    """What any of several paths finds: ``[0,2]``, ``['a','b']``."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """The elements of a list for which a comparison holds; without an operator, ``left`` exists."""

    left: Path
    operator: str = ""
    right: Path = ()


Step: TypeAlias = Literal | Field | Slice | Wildcard | Descent | Union | Filter
Path: TypeAlias = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the template that is repeated for everything that ``over`` finds."""

    over: Path
    body: Template


# A text stands for itself; a path for what it finds.
Part: TypeAlias = str | Path | Range
Template: TypeAlias = tuple[Part, ...]
