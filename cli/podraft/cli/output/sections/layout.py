"""Lines of ``Key:   value``, aligned block by block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from podraft.api.characters import one_line

NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Below:
    """A value that stands below its key, as lines that are already laid out."""

    lines: Sequence[str]


Value: TypeAlias = str | Sequence[str] | Below


def block(pairs: Iterable[tuple[str, Value]]) -> list[str]:
    """Return a line for each pair, or several for a value of several lines."""
    everything = list(pairs)
    aligned = [key for key, value in everything if not isinstance(value, Below)]
    width = max((len(key) + 3 for key in aligned), default=0)
    lines: list[str] = []
    for key, value in everything:
        if isinstance(value, Below):
            lines.append(f"{key}:" if value.lines else f"{key}:".ljust(width) + NONE)
            lines += indented(value.lines)
            continue
        values = [value] if isinstance(value, str) else list(value) or [NONE]
        for index, text in enumerate(values):
            head = f"{key}:" if index == 0 else ""
            lines.append(f"{head.ljust(width)}{one_line(text)}".rstrip())
    return lines


def indented(lines: Iterable[str], by: int = 2) -> list[str]:
    """Return the lines, indented by ``by`` spaces."""
    return [f"{' ' * by}{line}" if line else line for line in lines]


def mapping(values: Mapping[str, str], separator: str = "=") -> list[str]:
    """Return a mapping's sorted entries, or ``<none>`` for an empty mapping."""
    return [f"{key}{separator}{values[key]}" for key in sorted(values)] or [NONE]


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a small table with a rule below its headers."""
    from podraft.cli.output.tables import render

    clean = [[one_line(cell) for cell in row] for row in rows]
    rules = ["-" * len(header) for header in headers]
    return render(headers, [rules, *clean]).splitlines()
