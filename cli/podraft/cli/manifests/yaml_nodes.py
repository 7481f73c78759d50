"""Conversion of YAML text to nodes, from the parser's events.

Nodes are composed here because the library's composer recurses without a bound and refuses
what YAML allows: an anchor that is defined again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from podraft.cli.manifests import yaml_scalars
from podraft.cli.manifests.nodes import (
    DEPTH_MAX,
    NODES_MAX,
    Key,
    ManifestError,
    Mapping,
    Node,
    Scalar,
    Sequence,
)


def documents(text: str, first_line: int = 1) -> Iterator[tuple[Node, int]]:
    """Yield each document of a text with its size; the text begins on line ``first_line``.

    The size is the document's number of nodes.  Empty documents are left out.

    Raises:
        ManifestError: The text is not YAML, or its aliases, depth or size exceed the bounds.
    """
    parser = yaml.CSafeLoader(text)
    composer = _Composer(first_line)
    try:
        while (event := parser.get_event()) is not None:
            if isinstance(event, yaml.DocumentStartEvent):
                composer = _Composer(first_line, composer.nodes)
                before = composer.nodes
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                composer.take(event)
            elif isinstance(event, yaml.DocumentEndEvent):
                root = composer.root
                if root is not None and not (isinstance(root, Scalar) and root.value is None):
                    yield root, composer.nodes - before
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + first_line if mark else first_line
        raise ManifestError(line, f"not valid YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + first_line
        raise ManifestError(line, f"not valid YAML: {error.reason}") from None
    finally:
        parser.dispose()


@dataclass(slots=True)
class _Open:
    """A collection that has not ended yet and, in a mapping, the key that awaits its value."""

    node: Sequence | Mapping
    anchor: str | None
    key: Key | None = None


@dataclass(slots=True)
class _Composer:
    """The nodes of one document so far."""

    first_line: int
    nodes: int = 0
    root: Node | None = None
    _open: list[_Open] = field(default_factory=list)
    _anchors: dict[str, Node] = field(default_factory=dict)
    _unfinished: set[str] = field(default_factory=set)

    def take(self, event: Any) -> None:
        """Take the next event."""
        line = event.start_mark.line + self.first_line
        match event:
            case yaml.AliasEvent():
                self._add(self._alias(event.anchor, line), line)
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.SequenceStartEvent():
                self._begin(Sequence(line), event.anchor)
            case yaml.MappingStartEvent():
                self._begin(Mapping(line), event.anchor)
            case _:
                self._end()

    def _scalar(self, event: Any, line: int) -> None:
        plain = bool(event.implicit[0])
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.node, Mapping) and top.key is None:
            self._count(line)
            top.key = yaml_scalars.key(event.value, event.tag, plain=plain, line=line)
            if event.anchor:
                self._define(event.anchor, Scalar(line, event.value))
            return
        value = yaml_scalars.scalar(event.value, event.tag, plain=plain, line=line)
        node = Scalar(line, value)
        if event.anchor:
            self._define(event.anchor, node)
        self._add(node, line)

    def _alias(self, anchor: str | None, line: int) -> Node:
        if anchor in self._unfinished:
            raise ManifestError(line, f"*{anchor} stands in what it is an alias of")
        if anchor is None or anchor not in self._anchors:
            raise ManifestError(line, f"*{anchor} is an alias of nothing: no &{anchor} before it")
        return self._anchors[anchor]

    def _begin(self, node: Sequence | Mapping, anchor: str | None) -> None:
        if len(self._open) >= DEPTH_MAX:
            raise ManifestError(node.line, f"nested more than {DEPTH_MAX} deep")
        if self._open and isinstance(self._open[-1].node, Mapping) and self._open[-1].key is None:
            raise ManifestError(node.line, "a key must be text, not a list or mapping")
        self._open.append(_Open(node, anchor))
        if anchor:
            self._unfinished.add(anchor)

    def _end(self) -> None:
        ended = self._open.pop()
        if ended.anchor:
            self._define(ended.anchor, ended.node)
        self._add(ended.node, ended.node.line)

    def _define(self, anchor: str, node: Node) -> None:
        self._anchors[anchor] = node
        self._unfinished.discard(anchor)

    def _add(self, node: Node, line: int) -> None:
        self._count(line)
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if isinstance(top.node, Sequence):
            top.node.items.append(node)
        elif top.key is not None:
            top.node.entries.append((top.key, node))
            top.key = None
        elif isinstance(node, Scalar) and isinstance(node.value, str):
            top.key = Key(line, node.value)  # The key is an alias of a text.
        else:
            raise ManifestError(line, "a key must be text")

    def _count(self, line: int) -> None:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise ManifestError(line, f"more than {NODES_MAX} values in one text")
