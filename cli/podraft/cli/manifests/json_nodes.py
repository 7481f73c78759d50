"""Conversion of JSON text to nodes; values follow each other with or without line breaks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from typing import Any, NoReturn

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

_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DECODER = JSONDecoder()
_WORDS = {"true": True, "false": False, "null": None}
_WORD = re.compile(r"true|false|null")
_DIGITS_MAX = 400


class NotJsonError(Exception):
    """The text is not JSON, but may be YAML; `line` and `column` count from 1."""

    def __init__(self, line: int, column: int, message: str) -> None:
        self.line = line
        self.column = column
        super().__init__(message)


def values(text: str, first_line: int = 1) -> list[tuple[Node, int]]:
    """Return each value of a text with its number of nodes.

    Raises:
        NotJsonError: The text is not JSON.
        ManifestError: The JSON is too deep or too large.
    """
    reader = _Reader(text, first_line)
    found = []
    while not reader.at_end():
        before = reader.nodes
        found.append((reader.value(0), reader.nodes - before))
    return found


@dataclass(slots=True)
class _Reader:
    """A reader at a place in the text, with the number of its line."""

    text: str
    line: int
    at: int = 0
    nodes: int = 0
    _counted_to: int = 0

    def at_end(self) -> bool:
        """Skip white space; return whether the text ends there."""
        self._skip()
        return self.at == len(self.text)

    def value(self, depth: int) -> Node:
        """Read the value that begins here."""
        self._skip()
        self.nodes += 1
        if depth > DEPTH_MAX:
            raise ManifestError(self.line, f"nested more than {DEPTH_MAX} deep")
        if self.nodes > NODES_MAX:
            raise ManifestError(self.line, f"more than {NODES_MAX} values in one text")
        line = self.line
        match self.text[self.at : self.at + 1]:
            case "{":
                return self._object(line, depth)
            case "[":
                return self._array(line, depth)
            case '"':
                return Scalar(line, self._string())
            case _:
                return Scalar(line, self._word_or_number())

    def _object(self, line: int, depth: int) -> Mapping:
        node = Mapping(line)
        self.at += 1
        if self._next("}"):
            return node
        while True:
            self._skip()
            key_line = self.line
            if self.text[self.at : self.at + 1] != '"':
                self._fail('expected a key in double quotes, or "}"')
            key = Key(key_line, self._string())
            if not self._next(":"):
                self._fail('expected ":" after a key')
            node.entries.append((key, self.value(depth + 1)))
            if self._next("}"):
                return node
            if not self._next(","):
                self._fail('expected "," or "}"')

    def _array(self, line: int, depth: int) -> Sequence:
        node = Sequence(line)
        self.at += 1
        if self._next("]"):
            return node
        while True:
            node.items.append(self.value(depth + 1))
            if self._next("]"):
                return node
            if not self._next(","):
                self._fail('expected "," or "]"')

    def _string(self) -> str:
        try:
            text, self.at = _DECODER.raw_decode(self.text, self.at)
        except JSONDecodeError as error:
            self.at = error.pos
            self._fail("a text that does not end, a control character or a wrong escape in it")
        return str(text)

    def _word_or_number(self) -> Any:
        if (word := _WORD.match(self.text, self.at)) is not None:
            self.at = word.end()
            return _WORDS[word[0]]
        number = _NUMBER.match(self.text, self.at)
        if number is None:
            self._fail("expected a value")
        self.at = number.end()
        if len(number[0]) > _DIGITS_MAX:
            self._fail("a number of more digits than any field has")
        if number[1] is None and number[2] is None:
            return int(number[0])
        result = float(number[0])
        if result in (float("inf"), float("-inf")):
            self._fail("a number beyond what any field has")
        return result

    def _next(self, character: str) -> bool:
        self._skip()
        if not self.text.startswith(character, self.at):
            return False
        self.at += 1
        return True

    def _skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        if space is not None:
            self.at = space.end()
        self.line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at

    def _fail(self, problem: str) -> NoReturn:
        self._skip_lines()
        column = self.at - self.text.rfind("\n", 0, self.at)
        raise NotJsonError(self.line, column, problem)

    def _skip_lines(self) -> None:
        self.line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = max(self._counted_to, self.at)
