"""The agent's children are started without a fork, so gRPC's handlers of forks never run.

gRPC's care for forks waits for its threads before a fork, which can take for ever; the server,
whose event loop forks, switches it off.  asyncio's own loop uses vfork: no handler runs.
"""

from __future__ import annotations

import ast
import asyncio
import ctypes
from pathlib import Path
from typing import Any

AGENT = Path(__file__).parents[3] / "agent" / "podraft"
# With these, Python's subprocess module forks; so does uvloop with any.
FORKING = {"preexec_fn", "user", "group", "extra_groups"}

_forks: list[int] = []


_note_fork = ctypes.CFUNCTYPE(None)(lambda: _forks.append(1))


async def _start(**options: Any) -> None:
    before = len(_forks)
    process = await asyncio.create_subprocess_exec("true", start_new_session=True, **options)
    assert await process.wait() == 0
    assert (len(_forks) > before) == bool(options)


def test_a_child_of_asyncios_loop_is_started_without_a_fork() -> None:
    # Once for the process: a handler cannot be taken back.
    assert ctypes.CDLL(None).__register_atfork(_note_fork, None, None, None) == 0
    asyncio.run(_start())
    # The handler does notice forks.
    asyncio.run(_start(preexec_fn=lambda: None))


def test_the_agent_asks_for_nothing_that_forks() -> None:
    found = []
    for path in sorted(AGENT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found += [
                    f"{path.name}:{node.lineno}: {keyword.arg}"
                    for keyword in node.keywords
                    if keyword.arg in FORKING
                    and getattr(node.func, "attr", "") in ("Popen", "run", "create_subprocess_exec")
                ]
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "")}
                found += [f"{path.name}:{node.lineno}: {name}" for name in names & {"uvloop"}]
            elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.fork", "os.forkpty"):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert not found
