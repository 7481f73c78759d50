"""Reading manifests: text to objects, every fault with its file and line.

Pure; `sources` reads the files.  Faults do not hide each other: all documents are
read, and all faults are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from podraft.api import codec, kinds
from podraft.cli.command_line.targets import word_of
from podraft.cli.manifests.document_stream import documents
from podraft.cli.manifests.lines import Lines
from podraft.cli.manifests.nodes import (
    Budget,
    Construction,
    Key,
    ManifestError,
    Node,
    Scalar,
    Sequence,
)
from podraft.cli.manifests.nodes import Mapping as MappingNode
from podraft.cli.manifests.object_reading import Findings, ObjectReader, Rules

_LISTS_DEPTH_MAX = 16
NO_OBJECT = "expected an object with apiVersion and kind"


@dataclass(frozen=True, slots=True)
class Item:
    """One object of the input: as written (`value`), as canonical JSON, as a message."""

    kind: kinds.AnyKind
    value: Mapping[str, Any]
    message: Any
    source: str
    line: int
    lines: Lines = field(compare=False, repr=False, default=Lines(0))

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.message.metadata.name)

    @property
    def namespace(self) -> str:
        """The object's namespace; empty for kinds without one."""
        return str(self.message.metadata.namespace)

    @property
    def word(self) -> str:
        """The object as commands name it: ``deployment.apps/web``."""
        return word_of(self.kind, self.name)

    def at(self, path: str = "") -> str:
        """Return ``file:line`` of a field, or of the nearest part above it."""
        return f"{self.source}:{self.lines.at(path) if path else self.line}"


@dataclass(slots=True)
class Reading:
    """The result of reading: objects, faults (lines for a user) and warnings."""

    items: list[Item] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(
    texts: Iterable[tuple[str, str]],
    namespace: str | None,
    default_namespace: str,
    *,
    ignore_unsupported: bool = False,
) -> Reading:
    """Read ``(source, text)`` pairs.

    `namespace` is what the user demanded: an object that names another is a fault.
    Objects that name none get `namespace` or `default_namespace`.
    """
    reading = Reading()
    rules = Rules(namespace, default_namespace, ignore_unsupported)
    findings = Findings(reading.faults, reading.warnings)
    for source, text in texts:
        try:
            for node, budget in objects_in(text):
                _read_node(node, source, rules, reading, findings, budget)
        except ManifestError as error:
            reading.faults.append(f"{source}:{error.line}: {error}")
    _check_twice(reading)
    return reading


def objects_in(text: str) -> Iterator[tuple[Node, Budget]]:
    """Yield the node of each object of a text, those in lists included, with the text's budget.

    Raises:
        ManifestError: The text is neither YAML nor JSON, or its lists are too deep.
    """
    budget = Budget.of(text)
    for node, size in documents(text):
        budget.values += size
        for one in _objects_below(node, budget, 0):
            yield one, budget


def _objects_below(node: Node, budget: Budget, depth: int) -> Iterator[Node]:
    children = _list_items(node) if isinstance(node, MappingNode) else None
    if children is None:
        yield node
        return
    if depth == _LISTS_DEPTH_MAX:
        raise ManifestError(node.line, f"more than {_LISTS_DEPTH_MAX} lists in each other")
    for child in children:
        budget.spend(child.line)
        yield from _objects_below(child, budget, depth + 1)


def _read_node(
    node: Node,
    source: str,
    rules: Rules,
    reading: Reading,
    findings: Findings,
    budget: Budget,
) -> None:
    if not isinstance(node, MappingNode):
        reading.faults.append(f"{source}:{node.line}: {NO_OBJECT}")
        return
    lines = Lines(node.line, node)
    message = ObjectReader(source, lines, rules, findings).read(Construction(budget).value_of(node))
    if message is not None:
        kind = kinds.BUILT_IN.of(message)
        item = Item(kind, canonical(message), message, source, node.line, lines)
        reading.items.append(item)


def _list_items(node: MappingNode) -> list[Node] | None:
    """Return the items of a ``List`` or ``PodList``; None for any other object.

    Items of a ``PodList`` need not repeat their ``apiVersion`` and ``kind``.

    Raises:
        ManifestError: The items are not a list.
    """
    kind, items = node.get("kind"), node.get("items")
    if not isinstance(kind, Scalar) or not str(kind.value).endswith("List"):
        return None
    if items is None or (isinstance(items, Scalar) and items.value is None):
        return []
    if not isinstance(items, Sequence):
        raise ManifestError(items.line, "items: expected a list of objects")
    if kind.value == "List":
        return items.items
    return [_typed(item, node, str(kind.value).removesuffix("List")) for item in items.items]


def _typed(item: Node, of_list: MappingNode, kind: str) -> Node:
    api_version = of_list.get("apiVersion")
    if not isinstance(item, MappingNode) or item.get("kind") or item.get("apiVersion"):
        return item
    said: list[tuple[Key, Node]] = [(Key(item.line, "kind"), Scalar(item.line, kind))]
    if api_version is not None:
        said.append((Key(item.line, "apiVersion"), api_version))
    return MappingNode(item.line, [*said, *item.entries])


def canonical(message: Message) -> dict[str, Any]:
    """Return the JSON of what a user declares: canonical values, no status.

    A Secret's ``stringData`` becomes ``data``, as the server stores it, so that
    applying it again finds no difference.
    """
    value = codec.to_json(message)
    string_data = value.pop("stringData", None)
    if string_data:
        import base64

        data = value.setdefault("data", {})
        for key, text in string_data.items():
            data[key] = base64.b64encode(text.encode()).decode("ascii")
    return value


def _check_twice(reading: Reading) -> None:
    seen: dict[tuple[kinds.AnyKind, str, str], Item] = {}
    for item in reading.items:
        key = (item.kind, item.namespace, item.name)
        first = seen.setdefault(key, item)
        if first is not item:
            reading.faults.append(f"{item.at()}: {item.word} was already declared at {first.at()}")
