"""The tables of the group ``apiextensions.k8s.io``: definitions, and objects as these say.

Owns: reading a column's path (``.spec.ports[0].name``) in an object of a declared kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from podraft.api import kinds, times
from podraft.api.apiextensions.v1.custom_resource_definition_pb2 import (
    CustomResourceColumnDefinition,
)
from podraft.api.codec.write import write
from podraft.api.columns import ages
from podraft.api.columns.column import AGE, NAME, NONE, Column, Table
from podraft.api.declared import stored_version

_DEFINITION: Final = (
    NAME,
    Column("CREATED AT", lambda one, now_s: times.format_time(one.metadata.creation_timestamp)),
)

TABLES: Final[Mapping[kinds.AnyKind, Table]] = {
    kinds.CUSTOM_RESOURCE_DEFINITION: Table(_DEFINITION)
}

_PART: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\['([^']*)'\]|\[([0-9]+|\*)\]")
# As many elements of lists as anybody reads in a cell.
_VALUES_MAX: Final = 100


def table_of_declared(kind: kinds.AnyKind) -> Table:
    """Return the table of a declared kind: its definition's columns, or the objects' ages."""
    columns = stored_version(kind.definition).additional_printer_columns
    if not columns:
        return Table((NAME, AGE))
    return Table((NAME, *(_column(column) for column in columns)))


def _column(column: CustomResourceColumnDefinition) -> Column:
    header = column.name.upper()
    return Column(header, _reader(column.json_path, column.type), wide=column.priority > 0)


def _reader(path: str, type_: str) -> Callable[[Any, float], str]:
    parts = [match.group(1, 2, 3) for match in _PART.finditer(path)]

    def read(obj: Any, now_s: float) -> str:
        found = [value for value in _values(write(obj), parts) if value is not None]
        if not found:
            return NONE
        return ",".join(_shown(value, type_, now_s) for value in found[:_VALUES_MAX])

    return read


def _values(value: Any, parts: list[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield what a path leads to, possibly nothing."""
    if not parts:
        yield value
        return
    (name, quoted, index), rest = parts[0], parts[1:]
    if index is None:
        if isinstance(value, dict) and (name or quoted) in value:
            yield from _values(value[name or quoted], rest)
    elif isinstance(value, list):
        chosen = value if index == "*" else value[int(index) : int(index) + 1]
        for element in chosen:
            yield from _values(element, rest)


def _shown(value: Any, type_: str, now_s: float) -> str:
    if type_ == "date" and isinstance(value, str):
        try:
            return ages.age(times.time_of(times.parse_rfc3339(value)), now_s)
        except ValueError:
            return ages.UNKNOWN
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
