"""Reading a template of kubectl's JSONPath.

Pure.  Invariants: all of a template is read before any of it is used; its length and the depth of
its ranges are bounded.
"""

from __future__ import annotations

import re
from typing import Final

from podraft.cli.output.jsonpath.scanner import Scanner
from podraft.cli.output.jsonpath.syntax import (
    Descent,
    Field,
    Filter,
    JsonPathError,
    Literal,
    Part,
    Path,
    Range,
    Slice,
    Step,
    Template,
    Union,
    Wildcard,
)

TEMPLATE_CHARACTERS_MAX: Final = 64 * 1024
_RANGES_DEPTH_MAX: Final = 32
_NESTED_MAX: Final = 16
_SLICE: Final = re.compile(r"(-?\d{0,18})(:-?\d{0,18})?(:-?\d{0,18})?", re.ASCII)
_COMPARISON: Final = re.compile(r"([^!<>=]++)([!<>=~]++)(.+)", re.DOTALL)
_OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=")
_RELAXED: Final = re.compile(r"\{\.?+([^{}]++)\}|\.?+([^{}]++)")
_DIGITS_MAX: Final = 18


def parse(text: str) -> Template:
    """Return the parts of a template.

    Raises:
        JsonPathError: The template is malformed.
    """
    if len(text) > TEMPLATE_CHARACTERS_MAX:
        raise JsonPathError(f"longer than {TEMPLATE_CHARACTERS_MAX} characters: {len(text)}")
    scanner = Scanner(text)
    parts, ended = _parts(scanner, 0)
    if ended:
        raise scanner.fault("{end} without a {range}")
    return parts


def relaxed(text: str) -> Template:
    """Return the template of one path, which may lack its braces and its first dot.

    Raises:
        JsonPathError: The text is no path.
    """
    match = _RELAXED.fullmatch(text)
    if match is None:
        raise JsonPathError(
            f'expected a path such as .metadata.name or {{.metadata.name}}: "{text}"'
        )
    return parse(f"{{.{match[1] or match[2]}}}")


def _parts(scanner: Scanner, depth: int) -> tuple[Template, bool]:
    """Return the parts up to the end of the text or to ``{end}``, and whether that came."""
    parts: list[Part] = []
    while scanner.peek():
        plain = scanner.take_while(lambda character: character != "{")
        if plain:
            parts.append(plain)
        if not scanner.take("{"):
            break
        word = _keyword(scanner)
        path = _path(scanner, closing="}")
        if word == "end":
            return tuple(parts), True
        if word == "range":
            if depth == _RANGES_DEPTH_MAX:
                raise scanner.fault(f"more than {_RANGES_DEPTH_MAX} ranges in each other")
            body, ended = _parts(scanner, depth + 1)
            if not ended:
                raise scanner.fault("{range} without an {end}")
            parts.append(Range(path, body))
        else:
            parts.append(path)
    return tuple(parts), False


def _keyword(scanner: Scanner) -> str:
    """Return ``range`` or ``end`` if it begins the action; empty otherwise."""
    begin = scanner.at
    scanner.take_while(lambda character: character == " ")
    word = scanner.take_while(lambda character: character.isalnum() or character == "_")
    if word in ("range", "end"):
        return word
    scanner.at = begin
    return ""


def _path(scanner: Scanner, closing: str = "", depth: int = 0) -> Path:
    """Return the steps up to ``closing``, or up to the end of the text."""
    if depth > _NESTED_MAX:
        raise scanner.fault(f"more than {_NESTED_MAX} filters in each other")
    steps: list[Step] = []
    while True:
        character = scanner.peek()
        if closing and scanner.take(closing):
            return tuple(steps)
        if not character:
            if closing:
                raise scanner.fault("the action is not closed with }")
            return tuple(steps)
        steps += _steps(scanner, character, steps, depth)


def _steps(scanner: Scanner, character: str, before: list[Step], depth: int) -> list[Step]:
    """Read on from a character; return the steps that it begins."""
    if character in " @$":
        scanner.at += 1
        return []
    if scanner.take("[?("):
        return [_filter(scanner, depth)]
    if scanner.take("["):
        return _brackets(scanner, depth)
    if scanner.take(".."):
        if before and isinstance(before[-1], Descent):
            raise scanner.fault('".." follows ".."')
        word = scanner.peek()
        begins_name = word.isalnum() or word in ("_", "*")
        return [Descent(), *([_field(scanner)] if begins_name and word else [])]
    if scanner.take("."):
        return [_field(scanner)]
    if character in "\"'":
        return [Literal(scanner.take_quoted())]
    if character in "+-" or character.isdecimal():
        return [_number(scanner)]
    if character.isalpha() or character == "_":
        return [_word(scanner)]
    raise scanner.fault(f"{character!r} is not expected here")


def _field(scanner: Scanner) -> Step:
    name = scanner.take_name()
    return Wildcard() if name == "*" else Field(name)


def _word(scanner: Scanner) -> Step:
    begin = scanner.at
    word = scanner.take_name()
    if word in ("true", "false"):
        return Literal(word == "true")
    scanner.at = begin
    raise scanner.fault(f'"{word}" is no keyword; a field begins with a dot: .{word}')


def _number(scanner: Scanner) -> Step:
    begin = scanner.at
    text = scanner.take_while(lambda character: character in "+-." or character.isdecimal())
    try:
        if len(text) > _DIGITS_MAX:
            raise ValueError("too many digits")
        return Literal(int(text) if "." not in text else float(text))
    except ValueError:
        scanner.at = begin
        raise scanner.fault(f'"{text}" is no number') from None


def _brackets(scanner: Scanner, depth: int) -> list[Step]:
    """Read what follows ``[``: an index, a slice, a quoted name, or several of them."""
    begin = scanner.at
    text = scanner.take_until("]", "the bracket")
    pieces = [piece.strip(" ") for piece in text.split(",")]
    if len(pieces) == 1:
        return _selection(scanner, text, begin, depth)
    return [Union(tuple(tuple(_selection(scanner, one, begin, depth)) for one in pieces))]


def _selection(scanner: Scanner, text: str, begin: int, depth: int) -> list[Step]:
    if text == "*":
        return [Slice()]
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return list(_path(Scanner(f".{text[1:-1]}", scanner.offset + begin), depth=depth + 1))
    match = _SLICE.fullmatch(text)
    if match is None or not text or len(text) > _DIGITS_MAX or text == "-":
        scanner.at = begin
        raise scanner.fault(f"expected an index, a slice or 'name' in brackets, got [{text}]")
    first, *others = match.groups()
    try:
        start = int(first) if first else None
        if others == [None, None]:
            return [Slice(start, single=True)]
        end, step = (int(part[1:]) if part and part != ":" else None for part in others)
    except ValueError:
        scanner.at = begin
        raise scanner.fault(f"[{text}] is no slice") from None
    return [Slice(start, end, step)]


def _filter(scanner: Scanner, depth: int) -> Filter:
    begin = scanner.offset + scanner.at
    text = scanner.take_until(")]", "the filter")
    match = _COMPARISON.fullmatch(text)
    if match is None:
        return Filter(_path(Scanner(text, begin), depth=depth + 1))
    left, operator, right = match.groups()
    if operator not in _OPERATORS:
        scanner.at = begin - scanner.offset + len(left)
        raise scanner.fault(f'"{operator}" is no comparison; there are {", ".join(_OPERATORS)}')
    return Filter(
        _path(Scanner(left, begin), depth=depth + 1),
        operator,
        _path(Scanner(right, begin + match.start(3)), depth=depth + 1),
    )
