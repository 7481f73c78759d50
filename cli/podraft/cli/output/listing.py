"""Tables of objects, and single lines that continue them while watching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from podraft.api import kinds
from podraft.api.columns import Column, row_of, table_of
from podraft.api.columns.column import pairs
from podraft.cli.output import tables


@dataclass(slots=True)
class Listing:
    """A format for lists of objects; `line` uses the remembered widths of the last table."""

    wide: bool = False
    with_namespace: bool = False
    with_labels: bool = False
    label_columns: tuple[str, ...] = ()
    headers: bool = True
    coloured: bool = False
    prefixed: bool = False
    with_events: bool = False
    _widths: list[int] = field(default_factory=list)

    def table(
        self, kind: kinds.AnyKind, objects: Sequence[Any], now_s: float, *, event: str = "ADDED"
    ) -> str:
        """Return the table of one kind's objects, to all of which ``event`` happened."""
        columns = self._columns(kind, event)
        rows = [row_of(columns, obj, now_s) for obj in objects]
        headers = [column.header for column in columns] if self.headers else None
        self._widths = tables.widths_of([*([headers] if headers else []), *rows])
        return tables.render(headers, rows, self._painted(columns))

    def line(self, kind: kinds.AnyKind, obj: Any, now_s: float, *, event: str = "MODIFIED") -> str:
        """Return one more line below the last table; the first line comes with the headers."""
        if not self._widths:
            return self.table(kind, [obj], now_s, event=event)
        columns = self._columns(kind, event)
        row = row_of(columns, obj, now_s)
        widths = tables.widths_of([row])
        self._widths = [max(pair) for pair in zip(widths, self._widths, strict=True)]
        return tables.render_row(row, self._widths, self._painted(columns)).rstrip() + "\n"

    def _columns(self, kind: kinds.AnyKind, event: str) -> tuple[Column, ...]:
        columns = table_of(kind).shown(wide=self.wide)
        if self.prefixed:
            group = f".{kind.group}" if kind.group else ""
            prefix = f"{kind.name.lower()}{group}/"
            columns = tuple(
                Column(c.header, lambda obj, now_s: prefix + obj.metadata.name)
                if c.header == "NAME"
                else c
                for c in columns
            )
        if self.with_namespace and kind.namespaced:
            columns = (Column("NAMESPACE", lambda obj, now_s: obj.metadata.namespace), *columns)
        columns = (*columns, *map(_label_column, self.label_columns))
        if self.with_labels:
            labels = Column("LABELS", lambda obj, now_s: pairs(obj.metadata.labels))
            columns = (*columns, labels)
        if self.with_events:
            columns = (Column("EVENT", lambda obj, now_s: event), *columns)
        return columns

    def _painted(self, columns: Sequence[Column]) -> frozenset[int]:
        if not self.coloured:
            return frozenset()
        return frozenset(index for index, column in enumerate(columns) if column.is_status)


def _label_column(label: str) -> Column:
    """Return the column of one label, headed by the label's name without its prefix."""
    header = label.rpartition("/")[2].upper()
    return Column(header, lambda obj, now_s: obj.metadata.labels.get(label, ""))
