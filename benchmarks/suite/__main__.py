"""Runs the sections and shows their figures.

usage: ./dev bench [--json FILE] [SECTION…]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from suite.figures import Figure, table, write_json

_SECTIONS = ("api", "cluster", "pods", "members")


def main() -> int:
    """Measure; return 0, whatever the figures are."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(_SECTIONS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(_SECTIONS):
        parser.error(
            f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(_SECTIONS)}"
        )
    figures: list[Figure] = []
    for name in arguments.sections or _SECTIONS:
        for figure in importlib.import_module(f"suite.{name}").run():
            print(
                f"  {figure.section}: {figure.name}: {figure.value:,.2f} {figure.unit}",
                file=sys.stderr,
            )
            figures.append(figure)
    print(table(figures))
    if arguments.json:
        write_json(figures, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
