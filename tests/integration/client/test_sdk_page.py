"""The programs of ``docs/sdk.md`` work as they stand there, and print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from support.cli_agent import cli_agent
from support.cli_server import cli_server

PAGE = Path(__file__).parents[3] / "docs/sdk.md"
_PROGRAM = re.compile(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$|^```python$", re.MULTILINE | re.DOTALL
)
PROGRAMS = [
    pytest.param(match, id=f"line {PAGE.read_text()[: match.start()].count(chr(10)) + 1}")
    for match in _PROGRAM.finditer(PAGE.read_text())
]


@pytest.fixture(scope="module")
def config():
    with cli_server() as server, cli_agent(server, "n1"):
        yield server.config


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_what_the_page_says(program, config, monkeypatch):
    assert program[1], "a program without what it prints"
    monkeypatch.setenv("PODRAFT_CONFIG", str(config))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = compile(program[1], str(PAGE), "exec", dont_inherit=True)
        exec(code, {"__name__": "__main__"})
    assert printed.getvalue() == program[2]
