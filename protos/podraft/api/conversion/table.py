"""The records of the table of conversions, and steps into manifests of any shape.

Owns: what an entry of the table says.

Invariant: a step into a value of another type than expected finds nothing and raises nothing:
such a value stays as it is, and the codec names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Manifest: TypeAlias = dict[str, Any]
# Changes the manifest in place, from its old form to the present one.
Change: TypeAlias = Callable[[Manifest], None]

NO_LIMIT: Final = 2**31 - 1


def unchanged(manifest: Manifest) -> None:
    """Do nothing: only the version's name is another one."""


@dataclass(frozen=True, slots=True)
class Present:
    """The present form of an old kind.

    Attributes:
        api_version: The present ``apiVersion``.
        change: Changes a manifest to the present form, but for its ``apiVersion`` and ``kind``.
        kind: The present name of the kind; empty if it did not change.
    """

    api_version: str
    change: Change = unchanged
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """A kind that has no present form; ``reason`` is a sentence that says what to do instead."""

    reason: str


# By ``apiVersion`` and ``kind``.
Table: TypeAlias = dict[tuple[str, str], Present | Gone]


def mapping_in(value: Any, *path: str) -> Manifest | None:
    """Return the mapping at a path of names, or None if there is none."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value if isinstance(value, dict) else None


def mappings_in(value: Any, name: str) -> list[Manifest]:
    """Return the elements of a list that are mappings; none if there is no list."""
    elements = value.get(name) if isinstance(value, dict) else None
    return [one for one in elements if isinstance(one, dict)] if isinstance(elements, list) else []


def made_in(value: Manifest, name: str) -> Manifest | None:
    """Return the mapping at a name, made if nothing is there; None if something else is."""
    default(value, name, {})
    return mapping_in(value, name)


def default(value: Manifest, name: str, otherwise: Any) -> None:
    """Set a field that is absent or null."""
    if value.get(name) is None:
        value[name] = otherwise


def rename(value: Manifest, old: str, new: str) -> None:
    """Give a field its present name; one that has it already wins."""
    if old in value:
        found = value.pop(old)
        default(value, new, found)
