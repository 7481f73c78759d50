"""Plain tables with kubectl's spacing: three spaces, no rules, no trailing blanks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from podraft.api.characters import one_line
from podraft.cli.output import colour

_GAP = 3
_WIDTH_MIN = 6


def widths_of(rows: Iterable[Sequence[str]]) -> list[int]:
    """Return the width of each column, the gap included."""
    widths: list[int] = []
    for row in rows:
        for index, cell in enumerate(row):
            if index == len(widths):
                widths.append(_WIDTH_MIN)
            widths[index] = max(widths[index], len(cell) + _GAP)
    return widths


def render_row(
    row: Sequence[str], widths: Sequence[int], coloured: frozenset[int] = frozenset()
) -> str:
    """Return one line; the columns in `coloured` hold status words to paint."""
    last = len(row) - 1
    cells = []
    for index, cell in enumerate(row):
        text = cell if index == last else cell.ljust(widths[index])
        cells.append(colour.paint_status(text, cell) if index in coloured else text)
    return "".join(cells)


def render(
    headers: Sequence[str] | None,
    rows: Sequence[Sequence[str]],
    coloured: frozenset[int] = frozenset(),
    indent: str = "",
) -> str:
    """Return a whole table, each line ending in a newline; a cell's text stays in its cell."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = widths_of([*([headers] if headers else []), *rows])
    lines = [render_row(headers, widths)] if headers else []
    lines += [render_row(row, widths, coloured) for row in rows]
    return "".join(f"{indent}{line.rstrip()}\n" for line in lines)
