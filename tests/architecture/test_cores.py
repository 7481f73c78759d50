"""What import contracts cannot see of a core: a clock or a disk behind an import that is allowed.

Cores read times and paths, so they may import datetime and pathlib; they ask no clock for the
time, and their paths open nothing.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOMES = {
    "podraft.agent": "agent",
    "podraft.api": "protos",
    "podraft.cli": "cli",
    "podraft.client": "client",
    "podraft.server": "server",
}
CLOCKS = {"now", "utcnow", "today"}
BUILTINS = {"open", "print", "input", "exec", "eval"}


def cores() -> list[str]:
    """Return the modules and packages that a contract calls pure."""
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [
        contract
        for contract in configured["tool"]["importlinter"]["contracts"]
        if contract["name"].startswith("Cores are pure")
    ]
    return list(contract["source_modules"])


def files_of(module: str) -> list[Path]:
    """Return the files of a module or package."""
    home = HOMES[".".join(module.split(".")[:2])]
    path = ROOT / home / Path(*module.split("."))
    files = [path.with_suffix(".py"), *sorted(path.rglob("*.py"))]
    return [file for file in files if file.exists() and "_pb2" not in file.name]


def impurities(source: str) -> list[str]:
    """Return what in a module asks a clock or reaches a disk or a terminal."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="pathlib"):
                found += [a.name for a in node.names if not a.name.startswith("Pure")]
            case ast.Import():
                found += [a.name for a in node.names if a.name == "pathlib"]
            case ast.Attribute(attr=attribute):
                owner = ast.unparse(node.value)
                if attribute in CLOCKS and owner.rpartition(".")[2] in ("datetime", "date"):
                    found.append(f"{owner}.{attribute}")
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                found.append(name)
    return found


@pytest.mark.parametrize("core", cores())
def test_a_core_asks_no_clock_and_opens_nothing(core: str) -> None:
    files = files_of(core)
    assert files, f"{core} is nowhere"
    found = {
        str(file.relative_to(ROOT)): what
        for file in files
        if (what := impurities(file.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "datetime.datetime.now(datetime.UTC)",
        "from datetime import date\ndate.today()",
        "from pathlib import Path",
        "import pathlib",
        "open('x')",
        "print(1)",
    ],
)
def test_what_is_impure_is_noticed(source: str) -> None:
    assert impurities(source)
    assert not impurities("from pathlib import PurePath\nclock.now()\nx.open()")
