"""The server knows the kinds that it was given: only its composition roots begin with BUILT_IN."""

from __future__ import annotations

import ast
from pathlib import Path

SERVER = Path(__file__).parents[2] / "server" / "podraft" / "server"
COMPOSING = {"app.py", "startup/control_plane.py"}


def test_only_what_composes_the_server_reads_the_built_in_kinds() -> None:
    reading = {
        path.relative_to(SERVER).as_posix()
        for path in SERVER.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr == "BUILT_IN")
        or (isinstance(node, ast.alias) and node.name == "BUILT_IN")
    }
    assert reading == COMPOSING
