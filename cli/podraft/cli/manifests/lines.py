"""The lines on which the fields of an object stand, found when they are asked for.

Owns: paths as violations write them, and the way along a path through nodes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from podraft.cli.manifests.nodes import Mapping, Node, Path, Sequence

_PART = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of one object; without a ``node``, all is said to stand on ``first``."""

    first: int
    node: Node | None = None

    def at(self, path: str) -> int:
        """Return the line of a path, or of the nearest part above it that the text has."""
        node, line = self.node, self.first
        for part in parts_of(path):
            found = _below(node, part)
            if found is None:
                break
            node, line = found
        return line


def parts_of(path: str) -> Path:
    """Return the parts of a violation's path: ``spec.ports[0].name``, ``labels[a.b/c]``."""
    parts: list[str | int] = []
    for bracket, name in _PART.findall(path):
        parts.append(int(bracket) if bracket.isdecimal() else bracket or name)
    return tuple(parts)


def _below(node: Node | None, part: str | int) -> tuple[Node, int] | None:
    """Return a part of a node, and the line on which it stands."""
    if isinstance(node, Mapping):
        return _entry(node, str(part))
    if not isinstance(node, Sequence) or not isinstance(part, int) or part >= len(node.items):
        return None
    item = node.items[part]
    return item, item.line


def _entry(node: Mapping, key: str) -> tuple[Node, int] | None:
    """Return the value of a key and the key's line; the mapping's own come before merged ones."""
    merged: list[Node] = []
    for found, value in node.entries:
        if found.merges:
            merged += value.items if isinstance(value, Sequence) else [value]
        elif found.text == key:
            return value, found.line
    for one in merged:
        if isinstance(one, Mapping) and (inner := _entry(one, key)) is not None:
            return inner
    return None
