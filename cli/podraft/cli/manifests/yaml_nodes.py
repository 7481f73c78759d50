"""Conversion of YAML text to nodes, from the parser's events.

Nodes are composed here because the library's composer recurses without a bound and refuses
what YAML allows: an anchor that is defined again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

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
    get_event: Callable[[], Any] = parser.get_event
    composer = _Composer(first_line)
    before = 0
    try:
        while (event := get_event()) is not None:
            take = _TAKE.get(type(event))
            if take is not None:
                take(composer, event, event.start_mark.line + first_line)
            elif isinstance(event, yaml.DocumentStartEvent):
                composer = _Composer(first_line, composer.nodes)
                before = composer.nodes
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
class _Composer:
    """The nodes of one document so far.

    `_top` is the innermost collection that has not ended, and `_key` the key in it that awaits its
    value; `_outer` holds the same, and the collection's anchor, of those around it.
    """

    first_line: int
    nodes: int = 0
    root: Node | None = None
    _top: Sequence | Mapping | None = None
    _key: Key | None = None
    _anchor: str | None = None
    _outer: list[tuple[Sequence | Mapping | None, Key | None, str | None]] = field(
        default_factory=list
    )
    _anchors: dict[str, Node] = field(default_factory=dict)
    _unfinished: set[str] = field(default_factory=set)

    def scalar(self, event: Any, line: int) -> None:
        """Take a scalar: a key or a value."""
        if self._key is None and type(self._top) is Mapping:
            self._count(line)
            self._key = yaml_scalars.key(event.value, event.tag, event.implicit[0], line)
            if event.anchor:
                self._define(event.anchor, Scalar(line, event.value))
            return
        value = yaml_scalars.scalar(event.value, event.tag, event.implicit[0], line)
        node = Scalar(line, value)
        if event.anchor:
            self._define(event.anchor, node)
        self._add(node, line)

    def alias(self, event: Any, line: int) -> None:
        """Take an alias of a node before it."""
        anchor = event.anchor
        if anchor in self._unfinished:
            raise ManifestError(line, f"*{anchor} stands in what it is an alias of")
        if anchor not in self._anchors:
            raise ManifestError(line, f"*{anchor} is an alias of nothing: no &{anchor} before it")
        self._add(self._anchors[anchor], line)

    def begin_sequence(self, event: Any, line: int) -> None:
        """Take the beginning of a list."""
        self._begin(Sequence(line), event.anchor)

    def begin_mapping(self, event: Any, line: int) -> None:
        """Take the beginning of a mapping."""
        self._begin(Mapping(line), event.anchor)

    def _begin(self, node: Sequence | Mapping, anchor: str | None) -> None:
        if len(self._outer) >= DEPTH_MAX:
            raise ManifestError(node.line, f"nested more than {DEPTH_MAX} deep")
        if self._key is None and type(self._top) is Mapping:
            raise ManifestError(node.line, "a key must be text, not a list or mapping")
        self._outer.append((self._top, self._key, self._anchor))
        self._top, self._key, self._anchor = node, None, anchor
        if anchor:
            self._unfinished.add(anchor)

    def end(self, _event: Any, line: int) -> None:
        """Take the end of the innermost collection."""
        ended, anchor = self._top, self._anchor
        if ended is None:
            raise ManifestError(line, "a list or mapping ends that has not begun")
        self._top, self._key, self._anchor = self._outer.pop()
        if anchor:
            self._define(anchor, ended)
        self._add(ended, ended.line)

    def _define(self, anchor: str, node: Node) -> None:
        self._anchors[anchor] = node
        self._unfinished.discard(anchor)

    def _add(self, node: Node, line: int) -> None:
        self._count(line)
        top = self._top
        if top is None:
            self.root = node
        elif isinstance(top, Sequence):
            top.items.append(node)
        elif self._key is not None:
            top.entries.append((self._key, node))
            self._key = None
        elif isinstance(node, Scalar) and isinstance(node.value, str):
            self._key = Key(line, node.value)  # The key is an alias of a text.
        else:
            raise ManifestError(line, "a key must be text")

    def _count(self, line: int) -> None:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            raise ManifestError(line, f"more than {NODES_MAX} values in one text")


_TAKE: Final[dict[type[Any], Callable[[_Composer, Any, int], None]]] = {
    yaml.ScalarEvent: _Composer.scalar,
    yaml.AliasEvent: _Composer.alias,
    yaml.SequenceStartEvent: _Composer.begin_sequence,
    yaml.MappingStartEvent: _Composer.begin_mapping,
    yaml.SequenceEndEvent: _Composer.end,
    yaml.MappingEndEvent: _Composer.end,
}
