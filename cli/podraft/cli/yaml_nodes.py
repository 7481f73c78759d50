"""YAML and JSON text to plain values, with the line of every value kept.

Scalars mean what they mean to kubectl: ``yes`` and ``on`` are booleans, ``0644`` is
octal, ``1e3`` a number; dates and ``12:30`` stay text.  A key that stands twice in a
mapping is an error, as one of the two would be lost.

Invariant: work is bounded; aliases cannot blow a small file up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

Path: TypeAlias = tuple[str | int, ...]

MAX_VALUES = 300_000
MAX_DEPTH = 100
_PLAIN = "!plain"
_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_BOOLEANS = {
    form: meaning
    for word, meaning in {"true": True, "yes": True, "on": True, "false": False}.items()
    for form in (word, word.capitalize(), word.upper())
} | dict.fromkeys(("no", "No", "NO", "off", "Off", "OFF"), False)
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


class _Loader(yaml.CSafeLoader):
    """Reads nodes; the class has its own table of what plain scalars mean."""


# Every plain scalar gets one tag of ours, so that its meaning is decided here.
_Loader.yaml_implicit_resolvers = {None: [(_PLAIN, re.compile(".*", re.DOTALL))]}


class ManifestError(Exception):
    """A text is no manifest; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def documents(text: str) -> Iterator[yaml.Node]:
    """Yield the documents of a text, empty ones left out.

    Raises:
        ManifestError: The text is neither YAML nor JSON.
    """
    if text.lstrip()[:1] in ("{", "["):
        # JSON may be indented with tabs, which YAML forbids and JSON's strings do.
        text = text.replace("\t", " ")
    loader = _Loader(text)
    try:
        _check_depth(text)
        while loader.check_node():
            node = loader.get_node()
            if node is not None and not _is_empty(node):
                yield node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise ManifestError(mark.line + 1 if mark else 1, f"not valid YAML: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ManifestError(line, f"not valid YAML: {error.reason}") from None
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    """Look at the nesting alone first: libyaml's composer recurses without a bound of its own."""
    parser = _Loader(text)
    depth = 0
    try:
        while (event := parser.get_event()) is not None:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ManifestError(line, f"nested more than {MAX_DEPTH} deep")
    finally:
        parser.dispose()


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN and node.value in _NULLS


def line_of(node: yaml.Node) -> int:
    """Return the line, from 1, on which a node begins."""
    return int(node.start_mark.line) + 1


@dataclass(slots=True)
class Construction:
    """The values of one document, and the line on which each path begins."""

    lines: dict[Path, int]
    count: int = 0

    def value_of(self, node: yaml.Node, path: Path = (), depth: int = 0) -> Any:
        """Return a node's value.

        Raises:
            ManifestError: A key stands twice, a tag is unknown, or there is too much.
        """
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            raise ManifestError(line_of(node), "too many values, or nested too deeply")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._item(n, (*path, i), depth) for i, n in enumerate(node.value)]
        return self._mapping(node, path, depth)

    def _item(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.lines[path] = line_of(node)
        return self.value_of(node, path, depth + 1)

    def _mapping(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = _key(key_node)
            if key in first_lines:
                raise ManifestError(
                    line_of(key_node),
                    f'the key "{key}" stands twice in one mapping, '
                    f"first on line {first_lines[key]}",
                )
            first_lines[key] = line_of(key_node)
            if key == _MERGE and key_node.tag == _PLAIN:
                merged = self._merged(value_node, path, depth)
                continue
            self.lines[(*path, key)] = line_of(key_node)
            result[key] = self.value_of(value_node, (*path, key), depth + 1)
        return {**merged, **result}

    def _merged(self, node: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, yaml.MappingNode):
                raise ManifestError(line_of(part), "<< expects a mapping, or a list of mappings")
            # Of several, the first that has a key wins.
            result = {**self._mapping(part, path, depth + 1), **result}
        return result


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise ManifestError(line_of(node), "a key must be text, not a list or mapping")
    return str(node.value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.tag == _PLAIN:
        return _plain(text, node)
    match node.tag.removeprefix(_TAG):
        case "str" | "!":
            return text
        case "int" | "float" | "bool" | "null":
            return _plain(text, node)
        case "binary":
            return "".join(text.split())  # Already the base64 that JSON wants.
        case _:
            raise ManifestError(line_of(node), f"unknown tag {node.tag}")


def _plain(text: str, node: yaml.Node) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text) and text.strip("+-_0box"):
        return _integer(text)
    if text.strip("+-") == "0":
        return 0
    if _FLOAT.fullmatch(text):
        return float(text)
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        raise ManifestError(line_of(node), f"{text} is no number in JSON")
    return text


def _integer(text: str) -> int | float | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    try:
        return sign * int(digits, 0)
    except ValueError:  # More digits than Python converts, or none after the prefix.
        return text
