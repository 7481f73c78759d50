"""``--sort-by``: objects in the order of one of their fields.

Pure.  Invariants: the order is total and stable: objects without the field come first, then
numbers and quantities by their size, then texts as people count (``web-2`` before ``web-10``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from podraft.api import codec, quantities
from podraft.cli.errors import CliError, usage
from podraft.cli.output import jsonpath

_RUNS: Final = re.compile(r"(\d+)", re.ASCII)
_DIGITS_MAX: Final = 300
_NANO: Final = 10**9
_Key = tuple[int, Any]


def path_of(text: str) -> jsonpath.Template:
    """Return the path that ``--sort-by`` names.

    Raises:
        CliError: It is malformed.
    """
    try:
        return jsonpath.relaxed(text)
    except jsonpath.JsonPathError as error:
        raise usage(f"--sort-by: {error}") from None


def in_order(objects: Sequence[Any], path: jsonpath.Template, text: str) -> list[Any]:
    """Return objects in the order of a path; ``text`` is the path as the user wrote it.

    Raises:
        CliError: No object has the field, or it is no number, text or truth.
    """
    keys = [_key(obj, path, text) for obj in objects]
    if objects and all(rank == 0 for rank, _ in keys):
        raise CliError(f"--sort-by: none of the objects has the field {text}")
    return [objects[place] for place in sorted(range(len(objects)), key=keys.__getitem__)]


def _key(obj: Any, path: jsonpath.Template, text: str) -> _Key:
    try:
        found = jsonpath.found_by(path, codec.to_json(obj))
    except jsonpath.JsonPathError as error:
        raise CliError(f"--sort-by: {error}") from None
    if not found or found[0] is None:
        return (0, 0)
    value = found[0]
    if isinstance(value, dict | list):
        raise CliError(f"--sort-by: {text} is no number or text, but {jsonpath.as_go(value)[:60]}")
    if not isinstance(value, str):
        return (1, value * _NANO)
    try:
        return (1, quantities.nano(value))
    except quantities.InvalidQuantityError:
        return (2, _natural(value))


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a text's key: its runs of digits count as numbers."""
    return [
        (0, int(run), run) if run.isdecimal() and len(run) <= _DIGITS_MAX else (1, 0, run)
        for run in _RUNS.split(text)
        if run
    ]
