"""The meaning of YAML's scalars and tags.  Pure.

They mean what they mean to kubectl: ``yes`` and ``on`` are booleans, ``0644`` is octal, ``1_000``
and ``1e3`` are numbers; dates, ``12:30`` and ``=`` are text.  Only ``y`` and ``n`` differ: they
are text here, as the author of ``app: y`` means them; to kubectl they are booleans, which no label
can be.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from typing import Any, Final

from podraft.cli.manifests.nodes import MERGE, Key, ManifestError

_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {
    form: meaning
    for words, meaning in ((("true", "yes", "on"), True), (("false", "no", "off"), False))
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_OPEN_ENDED = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)
# No field holds longer numbers, and reading them would take more than linear time.
_DIGITS_MAX = 400
_REMEMBERED_LENGTH_MAX = 64
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/")
_NO_NUMBER: Final = object()


def scalar(text: str, tag: str | None, plain: bool, line: int) -> Any:
    """Return the value of a scalar; `plain` means that it has no quotes.

    Raises:
        ManifestError: The tag is unknown, or the text does not fit it.
    """
    if tag is None:
        return _plain(text, line) if plain else text
    word = tag.removeprefix(_TAG)
    match word:
        case "!" | "str" | "timestamp":
            return text
        case "int" | "float" | "bool" | "null":
            value = _plain(text, line)
            if _type_word(value) not in _ACCEPTED[word]:
                raise ManifestError(line, f'!!{word} before "{text[:40]}", which is none')
            return value
        case "binary":
            return _binary(text, line)
        case _:
            raise ManifestError(line, f"unknown tag {tag}")


_ACCEPTED = {"int": ("int",), "float": ("int", "float"), "bool": ("bool",), "null": ("null",)}


def _type_word(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def key(text: str, tag: str | None, plain: bool, line: int) -> Key:
    """Return a mapping's key.

    Raises:
        ManifestError: Without quotes, the key is another text, or not a text, to kubectl.
    """
    if tag is None:
        if not plain:
            return Key(line, text)
        if text == MERGE:
            return Key(line, MERGE, merges=True)
    elif tag == f"{_TAG}merge":
        return Key(line, MERGE, merges=True)
    value = scalar(text, tag, plain, line)
    if isinstance(value, str):
        return Key(line, value)
    read = "null" if value is None else _as_key(value)
    if value is None or read != text:
        raise ManifestError(
            line, f"the key {text or '(none)'} means {read} to YAML: put it in quotes"
        )
    return Key(line, text)


def _as_key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _binary(text: str, line: int) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except UnicodeDecodeError:
        raise ManifestError(
            line, "!!binary holds bytes that are no text: quote the base64 in binaryData instead"
        ) from None
    except ValueError:
        raise ManifestError(line, "!!binary expects base64") from None


def _plain(text: str, line: int) -> Any:
    value = _remembered(text) if len(text) <= _REMEMBERED_LENGTH_MAX else _meaning(text)
    if value is _NO_NUMBER:
        raise ManifestError(line, f"{text} is no number in JSON")
    return value


def _meaning(text: str) -> Any:
    """Return what a text without quotes means; ``_NO_NUMBER`` for an infinity and the like."""
    if text[:1] in _LETTERS and text not in _BOOLEANS and text not in _NULLS:
        return text
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _OPEN_ENDED.fullmatch(text):
        return _NO_NUMBER
    if len(text) > _DIGITS_MAX:
        return text
    if _INTEGER.fullmatch(text) and text.strip("+-_0box"):
        return _integer(text)
    if text.strip("+-") == "0":
        return 0
    if _FLOAT.fullmatch(text):
        number = float(text.replace("_", ""))
        return text if number in (float("inf"), float("-inf")) else number
    return text


# Manifests repeat the same few words.
_remembered = lru_cache(maxsize=4096)(_meaning)


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    try:
        return sign * int(digits, 0)
    except ValueError:  # Nothing follows the prefix.
        return text
