"""Reading manifests: text to objects, every fault with its file and line.

Pure; `sources` reads the files.  Faults do not hide each other: all documents are
read, and all faults are reported at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from google.protobuf.message import Message

from podraft.api import codec, kinds, limits, support
from podraft.api.violations import InvalidObjectError, Violation
from podraft.cli.command_line.targets import word_of
from podraft.cli.manifests.document_stream import documents
from podraft.cli.manifests.nodes import (
    Budget,
    Construction,
    Key,
    ManifestError,
    Node,
    Path,
    Scalar,
    Sequence,
)
from podraft.cli.manifests.nodes import Mapping as MappingNode
from podraft.cli.manifests.unsaid import without_unsaid

_PART = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
# What the codec says where the contract lacks fields that Kubernetes has.
_LACKING = "unknown field, or one that podraft does not support"
_WITHOUT_EFFECT = "podraft does not act on it"
_LISTS_DEPTH_MAX = 16


@dataclass(frozen=True, slots=True)
class Item:
    """One object of the input: as written (`value`), as canonical JSON, as a message."""

    kind: kinds.AnyKind
    value: Mapping[str, Any]
    message: Any
    source: str
    line: int
    lines: Mapping[Path, int] = field(compare=False, repr=False, default_factory=dict)

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
        return f"{self.source}:{line_at(self.lines, path, self.line)}"


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
    placing = _Placing(namespace, default_namespace, ignore_unsupported)
    for source, text in texts:
        try:
            budget = Budget.of(text)
            for node, size in documents(text):
                budget.values += size
                _read_node(node, source, placing, reading, budget)
        except ManifestError as error:
            reading.faults.append(f"{source}:{error.line}: {error}")
    _check_twice(reading)
    return reading


@dataclass(frozen=True, slots=True)
class _Placing:
    namespace: str | None
    default_namespace: str
    ignore_unsupported: bool


def _read_node(
    node: Node, source: str, placing: _Placing, reading: Reading, budget: Budget, depth: int = 0
) -> None:
    if not isinstance(node, MappingNode):
        reading.faults.append(f"{source}:{node.line}: expected an object with apiVersion and kind")
        return
    children = _list_items(node)
    if children is not None:
        if depth == _LISTS_DEPTH_MAX:
            raise ManifestError(node.line, f"more than {_LISTS_DEPTH_MAX} lists in each other")
        for child in children:
            budget.spend(child.line)
            _read_node(child, source, placing, reading, budget, depth + 1)
        return
    construction = Construction(budget)
    value = construction.value_of(node)
    _read_object(value, source, node.line, construction.lines, placing, reading)


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


def _read_object(
    value: dict[str, Any],
    source: str,
    line: int,
    lines: Mapping[Path, int],
    placing: _Placing,
    reading: Reading,
) -> None:
    def report(violations: Iterable[Violation], into: list[str], note: str = "") -> None:
        title = _title(value)
        for violation in violations:
            at = f"{source}:{line_at(lines, violation.field, line)}"
            into.append(f"{at}: {title}{violation}{note}")

    value = without_unsaid(value)
    message, error = _parse(value)
    if error is not None and placing.ignore_unsupported:
        lacking = [v for v in error.violations if v.description.startswith(_LACKING)]
        report((Violation(v.field, "not supported, ignored") for v in lacking), reading.warnings)
        value = _without(value, [parts_of(v.field) for v in lacking])
        message, error = _parse(value)
    if error is not None or message is None:
        report(error.violations if error else (), reading.faults)
        return
    kind = kinds.BUILT_IN.of(message)
    if not kind.namespaced and message.metadata.namespace:
        # Tools that render manifests write it into every object, and kubectl accepts it.
        ignored = f"a {kind.name} belongs to no namespace, ignored"
        report([Violation("metadata.namespace", ignored)], reading.warnings)
        message.metadata.ClearField("namespace")
    without_effect = support.unsupported_fields(message)
    if placing.ignore_unsupported:
        report(map(_stored_only, without_effect), reading.warnings)
    elif without_effect:
        report(map(_refused, without_effect), reading.faults)
        return
    size = message.ByteSize()
    if size > limits.OBJECT_BYTES_MAX:
        # The server would say the same, unless a whole commit of such is more than it takes.
        report([Violation("", limits.object_too_large(size))], reading.faults)
        return
    fault = _place(kind, message, placing)
    if fault is not None:
        report([fault], reading.faults)
        return
    reading.items.append(Item(kind, canonical(message), message, source, line, lines))


def _refused(found: support.Unsupported) -> Violation:
    return Violation(found.path, f"{_WITHOUT_EFFECT}: {found.reason}")


def _stored_only(found: support.Unsupported) -> Violation:
    return Violation(found.path, f"stored, but {_WITHOUT_EFFECT}: {found.reason}")


def _parse(value: dict[str, Any]) -> tuple[Any, InvalidObjectError | None]:
    try:
        return codec.from_json(value), None
    except InvalidObjectError as error:
        return None, error


def _title(value: Mapping[str, Any]) -> str:
    """Return ``Deployment "web": `` for messages, or as much of it as is known."""
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    kind = value.get("kind")
    if not isinstance(kind, str):
        return ""
    return f'{kind} "{name}": ' if isinstance(name, str) else f"{kind}: "


def _place(kind: kinds.AnyKind, message: Any, placing: _Placing) -> Violation | None:
    metadata = message.metadata
    if not metadata.name:
        hint = "generateName cannot be applied" if metadata.generate_name else "is required"
        return Violation("metadata.name", hint)
    if not kind.namespaced:
        return None
    wanted = placing.namespace
    if wanted and metadata.namespace and metadata.namespace != wanted:
        return Violation(
            "metadata.namespace", f'is "{metadata.namespace}", but --namespace says "{wanted}"'
        )
    if not metadata.namespace:
        metadata.namespace = wanted or placing.default_namespace
    return None


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


# ---- Paths ----------------------------------------------------------------------------------


def parts_of(path: str) -> Path:
    """Return the parts of a violation's path: ``spec.ports[0].name``, ``labels[a.b/c]``."""
    parts: list[str | int] = []
    for bracket, name in _PART.findall(path):
        parts.append(int(bracket) if bracket.isdecimal() else bracket or name)
    return tuple(parts)


def line_at(lines: Mapping[Path, int], path: str, otherwise: int) -> int:
    """Return the line of a path, or of the nearest part above it that the text has."""
    parts = parts_of(path)
    while parts:
        if parts in lines:
            return lines[parts]
        as_keys = tuple(str(part) for part in parts)
        if as_keys in lines:
            return lines[as_keys]
        parts = parts[:-1]
    return otherwise


def _without(value: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return a copy without the fields at `paths`."""
    result = cast("dict[str, Any]", json.loads(json.dumps(value)))
    for path in paths:
        parent: Any = result
        for part in path[:-1]:
            parent = parent[part]
        parent.pop(path[-1], None)
    return result
