"""Nodes of manifests, which know their line, and the values that they stand for.

`yaml_nodes` and `json_nodes` make the nodes.  A node may stand in several places (a YAML
alias), but never below itself.

Invariant: the work for a whole text is bounded, whatever it repeats: `Budget` counts what
aliases repeat, in values and in characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]

DEPTH_MAX = 100
NODES_MAX = 1_000_000
# How much aliases may add to a text.
_REPEATED_VALUES_MAX = 100_000
_REPEATED_CHARACTERS_MAX = 16 << 20
MERGE = "<<"


class ManifestError(Exception):
    """A text is not a manifest; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


@dataclass(slots=True)
class Scalar:
    """A text, number, boolean or null."""

    line: int
    value: Any


@dataclass(slots=True)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Key:
    """The key of an entry; `merges` marks YAML's ``<<``, which is not text."""

    line: int
    text: str
    merges: bool = False


@dataclass(slots=True)
class Mapping:
    """A mapping's entries in the order of the text; a key may occur twice."""

    line: int
    entries: list[tuple[Key, Node]] = field(default_factory=list)

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None if the mapping itself does not contain it."""
        return next((node for found, node in self.entries if found.text == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(slots=True)
class Budget:
    """The number of values and characters into which a text may still be turned."""

    values: int
    characters: int

    @classmethod
    def of(cls, text: str) -> Budget:
        """Return what aliases may add to a text; the values of its own nodes are added later."""
        return cls(_REPEATED_VALUES_MAX, len(text) + _REPEATED_CHARACTERS_MAX)

    def spend(self, line: int, characters: int = 0) -> None:
        """Count one more value.

        Raises:
            ManifestError: The value is one too many.
        """
        self.values -= 1
        self.characters -= characters
        if self.values < 0 or self.characters < 0:
            raise ManifestError(line, "aliases make too much of this text")


@dataclass(slots=True)
class Construction:
    """The values of one object under construction."""

    budget: Budget

    def value_of(self, node: Node, depth: int = 0) -> Any:
        """Return a node's value.

        Raises:
            ManifestError: A key occurs twice, or the budget is exceeded.
        """
        if depth > DEPTH_MAX:
            raise ManifestError(node.line, f"nested more than {DEPTH_MAX} deep")
        if isinstance(node, Scalar):
            value = node.value
            self.budget.spend(node.line, len(value) if isinstance(value, str) else 0)
            return value
        self.budget.spend(node.line)
        if isinstance(node, Sequence):
            return [self.value_of(item, depth + 1) for item in node.items]
        return self._mapping(node, depth)

    def _mapping(self, node: Mapping, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key, value in node.entries:
            if key.merges:
                _merge(key, self._merged(value, depth), result)
                continue
            name = key.text
            if name in first_lines:
                raise ManifestError(
                    key.line,
                    f'the key "{key.text}" stands twice in one mapping, first on line '
                    f"{first_lines[key.text]} (kubectl drops the first and takes the last)",
                )
            first_lines[name] = key.line
            result[name] = self.value_of(value, depth + 1)
        return result

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        parts = node.items if isinstance(node, Sequence) else [node]
        result: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, Mapping):
                raise ManifestError(part.line, "<< expects a mapping, or a list of mappings")
            self.budget.spend(part.line)
            if depth > DEPTH_MAX:
                raise ManifestError(part.line, f"nested more than {DEPTH_MAX} deep")
            # Among several merged mappings, the first that has a key wins.
            result = {**self._mapping(part, depth + 1), **result}
        return result


def _merge(key: Key, merged: dict[str, Any], result: dict[str, Any]) -> None:
    """Add the entries merged by ``<<``; the mapping's other keys override them."""
    for name, value in merged.items():
        if name in result and result[name] != value:
            raise ManifestError(
                key.line,
                f'the key "{name}" stands before << and differs in it: kubectl takes the value of '
                "<<, YAML itself the other; put << first, or the key into one place only",
            )
        result[name] = value
