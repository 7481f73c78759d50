"""The documents of a text: YAML, JSON, or both one after the other.

What begins like JSON and is JSON is read as JSON, whose escapes and tabs YAML does not have;
several values may follow each other.  What only looks like it is YAML's flow style.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from podraft.cli.manifests import json_nodes, yaml_nodes
from podraft.cli.manifests.nodes import Budget, Construction, ManifestError, Node

# A line of its own that YAML can hold nowhere else: in a text of several lines it is indented.
_SEPARATOR = re.compile(r"^(?:---[ \t]*(?:[ \t]#[^\r\n]*)?|\.\.\.[ \t]*)\r?$", re.MULTILINE)
_BEFORE_JSON = re.compile(r"(?:[ \t\r\n]|#[^\n]*\n)*")
_LIKE_JSON = re.compile(r'[{\[]\s*["{\[}\]]')
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_BOM = re.compile("^\ufeff", re.MULTILINE)


def documents(text: str) -> Iterator[tuple[Node, int]]:
    """Yield the documents of a text and the number of each one's nodes, empty ones left out.

    Raises:
        ManifestError: The text is neither YAML nor JSON.
    """
    if "\ufeff" in text:
        text = _BOM.sub("", text)  # Files with one were put together.
    if not text.endswith("\n"):
        text += "\n"  # As kubectl does: what ends a block of lines is a line, too.
    lines = _Lines(text)
    yaml_begins = previous = 0
    for begin, end, next_begins in _chunks(text):
        at = _json_begins(text, begin, end)
        directed, previous = _DIRECTIVE.search(text, previous, begin), begin
        if at is None or directed:
            continue  # Directives belong to what is behind their separator, and are YAML's.
        yield from _yaml(text[yaml_begins:begin], lines.at(yaml_begins))
        yield from _json(text[at:end].rstrip(), lines.at(at))
        yaml_begins = next_begins
    yield from _yaml(text[yaml_begins:], lines.at(yaml_begins))


def values_in(text: str) -> list[Any]:
    """Return the values of all documents of a text.

    Raises:
        ManifestError: The text is neither YAML nor JSON, or aliases make too much of it.
    """
    budget = Budget.of(text)
    result = []
    for node, size in documents(text):
        budget.values += size
        result.append(Construction(budget).value_of(node))
    return result


def _chunks(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield where what stands between separators begins and ends, and the next one begins."""
    begin = 0
    for separator in _SEPARATOR.finditer(text):
        yield begin, separator.start(), separator.end()
        begin = separator.end()
    yield begin, len(text), len(text)


def _json_begins(text: str, begin: int, end: int) -> int | None:
    before = _BEFORE_JSON.match(text, begin, end)
    at = before.end() if before is not None else begin
    return at if text.startswith(("{", "["), at, end) else None


def _json(part: str, line: int) -> Iterator[tuple[Node, int]]:
    try:
        yield from json_nodes.values(part, line)
    except json_nodes.NotJsonError as error:
        try:
            yield from list(_yaml(part, line))
        except ManifestError:
            if not _LIKE_JSON.match(part):
                raise
            problem = f"not valid JSON: {error}, at column {error.column}"
            raise ManifestError(error.line, problem) from None


def _yaml(part: str, line: int) -> Iterator[tuple[Node, int]]:
    if part and not part.isspace():
        yield from yaml_nodes.documents(part, line)


class _Lines:
    """The lines of places in a text that are asked for in their order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known = 0
        self._line = 1

    def at(self, place: int) -> int:
        """Return the line, from 1, of a place behind those asked for before."""
        self._line += self._text.count("\n", self._known, place)
        self._known = place
        return self._line
