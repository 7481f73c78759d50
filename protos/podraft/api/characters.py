"""Making visible the characters that affect a terminal or how a line is read.  Pure.

Text by nodes, containers and other users is shown to anybody who asks for it: it must not move
the cursor, set the window's title, hide a part of itself, or reverse the order of letters.
"""

from __future__ import annotations

import re

# Control characters except line feed and tab; everything that Unicode calls a format character
# (bidirectional controls, zero-width ones, tags), fillers without a width, line and paragraph
# separators, and halves of surrogate pairs.
UNSAFE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff0-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001345f"
    "\U0001bca0-\U0001bcaf\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_ANY_UNSAFE = re.compile(f"[{UNSAFE}]")
_BREAK = re.compile(r"[\r\n\t]+")


def is_safe(text: str) -> bool:
    """Return whether nothing in a text needs an escape."""
    return _ANY_UNSAFE.search(text) is None


def visible(text: str) -> str:
    """Return a text of lines with escapes in place of the active characters."""
    return _ANY_UNSAFE.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return a text as part of one line: breaks and tabs become blanks, the rest is visible."""
    return visible(_BREAK.sub(" ", text))


def in_json(document: str) -> str:
    """Return the same JSON, with JSON's own escapes for characters that affect a terminal."""
    return _ANY_UNSAFE.sub(_json_escape, document)


def in_yaml(document: str) -> str:
    """Return the same YAML with escapes; text that needs them must be in double quotes."""
    return _ANY_UNSAFE.sub(_escaped, document)


def escape(character: str) -> str:
    """Return the escape shown for a character; for a byte that was not text, the byte's."""
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _escaped(match: re.Match[str]) -> str:
    return escape(match[0])


def _json_escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
