"""The words of options: KEY=VALUE, lists, ports, counts or percentages.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from podraft.cli.errors import usage

_PORT_MAX: Final = 65535
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9-]+")


def metadata(name: str, **parts: Any) -> dict[str, Any]:
    """Return an object's metadata: its name, and the parts that are not empty."""
    return {"name": name, **{key: value for key, value in parts.items() if value}}


def without_empty(mapping: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping without the values that say nothing: None, "", [], {}."""
    return {key: value for key, value in mapping.items() if value not in (None, "", [], {})}


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Return the pairs of ``KEY=VALUE[,KEY=VALUE]``, each key once.

    Raises:
        CliError: A part is no pair, or a key stands twice.
    """
    found: dict[str, str] = {}
    for part in listed(texts):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise usage(f'{option}: expected KEY=VALUE, got "{part}"')
        if key in found:
            raise usage(f'{option}: "{key}" is given twice')
        found[key] = value
    return found


def listed(texts: Iterable[str]) -> list[str]:
    """Return the parts of texts that hold several, divided by commas."""
    return [part for text in texts for part in text.split(",") if part]


def port(text: str, option: str) -> int:
    """Return a port's number.

    Raises:
        CliError: It is none.
    """
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:6]) <= _PORT_MAX:
        raise usage(f'{option}: expected a port from 1 to {_PORT_MAX}, got "{text}"')
    return int(text)


def port_or_name(text: str, option: str) -> int | str:
    """Return a port's number, or the name that a container's port may have."""
    return port(text, option) if text.isdecimal() else text


def count_or_percent(text: str, option: str) -> int | str:
    """Return a number, or a percentage as it is.

    Raises:
        CliError: It is neither.
    """
    if text.isascii() and text.removesuffix("%").isdecimal():
        return text if text.endswith("%") else int(text)
    raise usage(f'{option}: expected a number or a percentage, got "{text}"')


def container_name(image: str) -> str:
    """Return the name for the container of an image: the image's own, without its tag."""
    last = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return _NOT_IN_NAMES.sub("-", last.lower()).strip("-")[:63] or "container"
