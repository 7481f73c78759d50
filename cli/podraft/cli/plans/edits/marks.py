"""Labels and annotations: which words change which, and how.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podraft.cli.errors import CliError, usage

Changes = dict[str, str | None]


def split(arguments: Sequence[str]) -> tuple[list[str], Changes]:
    """Return the words that name objects, and the changes, in which None removes a key.

    Raises:
        CliError: A key is changed twice.
    """
    words, changes = [], Changes()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        removes = not equals and argument.endswith("-")
        if not equals and not removes:
            words.append(argument)
            continue
        key = key.removesuffix("-") if removes else key
        if key in changes:
            raise usage(f'"{key}" is changed twice')
        changes[key] = None if removes else value
    return words, changes


def mark(
    value: dict[str, Any],
    word: str,
    field: str,
    changes: Mapping[str, str | None],
    *,
    overwrite: bool,
) -> None:
    """Set and remove labels or annotations of an object; ``word`` names it.

    Raises:
        CliError: A key has another value already, which must not be overwritten.
    """
    present = value.setdefault("metadata", {}).setdefault(field, {})
    for key, text in changes.items():
        if text is None:
            present.pop(key, None)
            continue
        if not overwrite and present.get(key, text) != text:
            raise CliError(
                f'{word}: {field} has {key}="{present[key]}" already; --overwrite changes it'
            )
        present[key] = text
    if not present:
        del value["metadata"][field]
