"""Names of constants: a bound ends with what it bounds to, a module's logger has one name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("protos", "client", "server", "agent", "cli", "devtools", "benchmarks", "tests")
_BOUND_FIRST = re.compile(r"_?(MAX|MIN)_")


def names_of(path: Path) -> list[tuple[str, str]]:
    """Return what a module assigns at its top: names, and the values' source."""
    found = []
    for statement in ast.parse(path.read_text()).body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        value = ast.unparse(statement.value) if targets and statement.value else ""  # type: ignore[attr-defined]  # both have one
        found += [(target.id, value) for target in targets if isinstance(target, ast.Name)]
    return found


@pytest.mark.parametrize("part", PARTS)
def test_bounds_and_loggers_are_named_in_one_way(part: str) -> None:
    modules = [path for path in (ROOT / part).rglob("*.py") if "_pb2" not in path.name]
    assert modules
    odd = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules
        for name, value in names_of(path)
        if _BOUND_FIRST.match(name) or (value.startswith("logging.getLogger(") and name != "_LOG")
    ]
    assert not odd
