"""The command line prints in one place: nothing reaches a terminal around it."""

from __future__ import annotations

import ast
from pathlib import Path

import podraft.cli.app

CLI = Path(podraft.cli.app.__file__).parent
# What prints; and what passes a container's bytes on.
ALLOWED = {"output/printing.py", "streams/standard_streams.py"}
FORBIDDEN_CALLS = {
    "print", "input", "os.write", "click.echo", "click.secho", "click.style", "click.prompt",
    "click.confirm", "click.progressbar", "click.pause", "click.echo_via_pager", "rich.print",
    "rich.console.Console",
}  # fmt: skip
FORBIDDEN_NAMES = {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}


def dotted(node: ast.AST) -> str:
    """Return ``a.b`` for the expression ``a.b``; nothing for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def printing_in(source: str) -> list[str]:
    """Return what of a module prints by itself, with its lines."""
    found = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Call) and dotted(node.func) in FORBIDDEN_CALLS:
            found.append(f"{line}: {dotted(node.func)}")
        elif isinstance(node, ast.Attribute) and dotted(node) in FORBIDDEN_NAMES:
            found.append(f"{line}: {dotted(node)}")
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            forbidden = names & (FORBIDDEN_CALLS | FORBIDDEN_NAMES)
            if forbidden:
                found.append(f"{line}: import of {', '.join(sorted(names))}")
    return found


def test_only_one_module_of_the_command_line_prints() -> None:
    elsewhere = {
        str(path.relative_to(CLI)): found
        for path in CLI.rglob("*.py")
        if (found := printing_in(path.read_text()))
    }
    assert set(elsewhere) == ALLOWED, elsewhere


def test_whatever_prints_is_noticed() -> None:
    for line in (
        "print('x')",
        "import click\nclick.echo('x')",
        "from click import echo",
        "import sys\nsys.stdout.buffer.write(b'x')",
        "from sys import stderr",
        "import os\nos.write(1, b'x')",
        "from rich.console import Console",
        "import sys\ndef f(stream=sys.stderr): pass",
    ):
        assert printing_in(line), line
