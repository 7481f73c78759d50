"""The documents of a text: YAML, JSON, or a mixture.

JSON is read as JSON, because YAML lacks its escapes and tabs; several values may follow each
other.  Text that only begins like JSON is YAML's flow style.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from podraft.cli.manifests import json_nodes, yaml_nodes
from podraft.cli.manifests.nodes import Budget, Construction, ManifestError, Node

# A separator is a line of its own; inside YAML's multi-line texts it would be indented.
_SEPARATOR = re.compile(r"^(?:---[ \t]*(?:[ \t]#[^\r\n]*)?|\.\.\.[ \t]*)\r?$", re.MULTILINE)
_BEFORE_JSON = re.compile(r"(?:[ \t\r\n]|#[^\n]*\n)*")
_LIKE_JSON = re.compile(r'[{\[]\s*["{\[}\]]')
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_BOM = re.compile("^\ufeff", re.MULTILINE)


def documents(text: str) -> Iterator[tuple[Node, int]]:
    """Yield each document of a text with its number of nodes; leave out empty documents.

    Raises:
        ManifestError: The text is neither YAML nor JSON.
    """
    if "\ufeff" in text:
        text = _BOM.sub("", text)  # Files that begin with one were concatenated.
    if not text.endswith("\n"):
        text += "\n"  # As kubectl does: the last line of a block is a complete line, too.
    lines = _Lines(text)
    yaml_begins = previous = 0
    for begin, end, next_begins in _chunks(text):
        at = _json_begins(text, begin, end)
        directed, previous = _DIRECTIVE.search(text, previous, begin), begin
        if at is None or directed:
            continue  # Directives belong to the document after their separator, and are YAML's.
        yield from _yaml(text[yaml_begins:begin], lines.at(yaml_begins))
        yield from _json(text[at:end].rstrip(), lines.at(at))
        yaml_begins = next_begins
    yield from _yaml(text[yaml_begins:], lines.at(yaml_begins))


def values_in(text: str) -> list[Any]:
    """Return the values of all documents of a text.

    Raises:
        ManifestError: The text is neither YAML nor JSON, or its aliases expand too far.
    """
    budget = Budget.of(text)
    result = []
    for node, size in documents(text):
        budget.values += size
        result.append(Construction(budget).value_of(node))
    return result


def _chunks(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield the start and end of each chunk between separators, and the start of the next."""
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
    """A look-up of the line numbers of places in a text, which must be asked for in order."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._known = 0
        self._line = 1

    def at(self, place: int) -> int:
        """Return the line, from 1, of a place that follows those asked for before."""
        self._line += self._text.count("\n", self._known, place)
        self._known = place
        return self._line
