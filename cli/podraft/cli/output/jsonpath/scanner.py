"""A template's characters, read from left to right.

Invariant: the position never goes beyond the end; every fault names the position, counted from 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Final

from podraft.cli.output.jsonpath.syntax import JsonPathError

_ENDS_NAME: Final = frozenset(" \t\r\n.,[]$@{}")
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v",
    "\\": "\\", '"': '"', "'": "'",
}  # fmt: skip
# By the letter of an escape, how many hexadecimal digits follow it.
_DIGITS: Final = {"x": 2, "u": 4, "U": 8}
_HEX: Final = re.compile(r"[0-9a-fA-F]+")
_SURROGATES: Final = range(0xD800, 0xE000)  # Halves of characters: no text can have them.


class Scanner:
    """A text with a position; ``offset`` is where the text stands in the user's template."""

    def __init__(self, text: str, offset: int = 0) -> None:
        self.text = text
        self.at = 0
        self.offset = offset

    def peek(self) -> str:
        """Return the next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def take(self, prefix: str) -> bool:
        """Go beyond ``prefix`` if it comes next, and return whether it did."""
        found = self.text.startswith(prefix, self.at)
        self.at += len(prefix) if found else 0
        return found

    def take_while(self, accepts: Callable[[str], bool]) -> str:
        """Return the next characters as long as ``accepts`` holds."""
        begin = self.at
        while self.at < len(self.text) and accepts(self.text[self.at]):
            self.at += 1
        return self.text[begin : self.at]

    def take_name(self) -> str:
        """Return a member's name; a backslash keeps the character after it from ending the name."""
        name: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == "\\" and self.at + 1 < len(self.text):
                self.at += 1
                character = self.text[self.at]
            elif character in _ENDS_NAME:
                break
            name.append(character)
            self.at += 1
        return "".join(name)

    def take_quoted(self) -> str:
        """Return the text between the quote that comes next and its partner."""
        quote, begin = self.peek(), self.at
        self.at += 1
        text: list[str] = []
        while not self.take(quote):
            character = self.peek()
            if character in ("", "\n"):
                self.at = begin
                raise self.fault("the quote is not closed")
            self.at += 1
            text.append(self._escaped() if character == "\\" else character)
        return "".join(text)

    def _escaped(self) -> str:
        """Return the character that an escape stands for; the backslash has been read."""
        letter = self.peek()
        self.at += 1
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        size = _DIGITS.get(letter, 0)
        digits = self.text[self.at : self.at + size]
        if size and len(digits) == size and _HEX.fullmatch(digits):
            code = int(digits, 16)
            if code <= sys.maxunicode and code not in _SURROGATES:
                self.at += size
                return chr(code)
        self.at -= 1
        raise self.fault(f'"\\{letter}" is no escape in a quoted text')

    def take_until(self, end: str, what: str) -> str:
        """Return the text before ``end``, outside of quotes, and go beyond it."""
        begin, quote = self.at, ""
        while self.at < len(self.text):
            if not quote and self.take(end):
                return self.text[begin : self.at - len(end)]
            character = self.text[self.at]
            if quote and character == "\\":
                self.at += 1
            elif quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            self.at += 1
        self.at = begin
        raise self.fault(f"{what} is not closed")

    def fault(self, problem: str) -> JsonPathError:
        """Return the error that names the present position."""
        return JsonPathError(f"at character {self.offset + self.at + 1}: {problem}")
