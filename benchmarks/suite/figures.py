"""A measured figure, its goal, and how both are shown."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    ``goal`` is a minimum if ``higher_is_better``, else a maximum; None if there
    is no goal.  ``samples`` are the single values behind a median.
    """

    section: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    higher_is_better: bool = False
    samples: tuple[float, ...] = ()

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.higher_is_better else self.value <= self.goal


def percentile(values: Sequence[float], fraction: float) -> float:
    """Return the value below which ``fraction`` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def median_figure(
    section: str, name: str, samples: Sequence[float], unit: str, goal: float | None = None
) -> Figure:
    """Return the median of several runs, of which less is better, as a figure."""
    return Figure(section, name, statistics.median(samples), unit, goal, samples=tuple(samples))


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a plain table."""
    rows = [("section", "figure", "value", "goal", "")]
    for figure in figures:
        sign = "≥" if figure.higher_is_better else "≤"
        goal = "" if figure.goal is None else f"{sign} {_number(figure.goal)} {figure.unit}"
        verdict = {None: "", True: "reached", False: "MISSED"}[figure.reached]
        value = f"{_number(figure.value)} {figure.unit}"
        rows.append((figure.section, figure.name, value, goal, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def write_json(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures, and the machine that they come from, to a file."""
    machine = {"python": platform.python_version(), "kernel": platform.release()}
    document = {"machine": machine, "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(document, indent=2) + "\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
