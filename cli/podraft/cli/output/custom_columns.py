"""``-o custom-columns``: tables whose columns are paths into the objects.

Pure.  Invariant: a cell is one line, whatever the object holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podraft.cli.errors import CliError, usage
from podraft.cli.output import jsonpath, tables

_NONE: Final = "<none>"


@dataclass(frozen=True, slots=True)
class CustomColumn:
    """A column: its header, and the path to what it shows."""

    header: str
    template: jsonpath.Template


def columns_of(text: str) -> tuple[CustomColumn, ...]:
    """Return the columns of ``HEADER:.path,HEADER:.path``.

    Raises:
        CliError: A column is malformed.
    """
    if not text:
        raise usage("-o custom-columns: expected HEADER:.path,HEADER:.path")
    columns = []
    for part in text.split(","):
        header, colon, path = part.partition(":")
        if not colon or not header or not path:
            raise usage(f'-o custom-columns: expected HEADER:.path, got "{part}"')
        columns.append(_column(header, path))
    return tuple(columns)


def columns_of_file(text: str, name: str) -> tuple[CustomColumn, ...]:
    """Return the columns of a file whose first line has the headers, and the second the paths.

    Raises:
        CliError: The file is malformed.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 2:
        raise usage(f"{name}: expected a line of headers and a line of paths, got {len(lines)}")
    headers, paths = lines
    if len(headers) != len(paths):
        raise usage(f"{name}: {len(headers)} headers, but {len(paths)} paths")
    return tuple(_column(header, path) for header, path in zip(headers, paths, strict=True))


def _column(header: str, path: str) -> CustomColumn:
    try:
        return CustomColumn(header, jsonpath.relaxed(path))
    except jsonpath.JsonPathError as error:
        raise usage(f"-o custom-columns: {header}: {error}") from None


def table(
    columns: Sequence[CustomColumn], values: Sequence[Mapping[str, Any]], *, headers: bool
) -> str:
    """Return the table of objects, given as JSON.

    Raises:
        CliError: A column's path does not fit an object.
    """
    rows = [[_cell(column, value) for column in columns] for value in values]
    return tables.render([column.header for column in columns] if headers else None, rows)


def _cell(column: CustomColumn, value: Mapping[str, Any]) -> str:
    try:
        found = jsonpath.found_by(column.template, value)
    except jsonpath.JsonPathError as error:
        raise CliError(f"-o custom-columns: {column.header}: {error}") from None
    return ",".join(map(jsonpath.as_go, found)) if found else _NONE
