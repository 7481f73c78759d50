"""Tests wait for conditions, not for time: who sleeps says what the time is for.

A sleep in place of a condition fails on a busy machine or wastes a quiet one's time.  Four uses
are none: a moment that is drawn at random is the input of a test that kills; a test that nothing
happens must give it time to happen; a client that was refused pauses before its next try; and who
stands in for something slow is slow.  A sleep of nothing lets the event loop go on, and is free.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOMENT = "when something is killed, or joins, is the test's input"
NOTHING = "nothing must happen meanwhile"
PAUSE = "a client's or a watcher's pause between two tries"
SLOW = "stands in for something that is slow, or lasts"
SLEEPERS = {
    "tests/faults/run.py": MOMENT,
    "tests/faults/workload.py": PAUSE,
    "tests/faults/world.py": SLOW,
    "tests/integration/agent/kill_scenarios.py": MOMENT,
    "tests/integration/api/test_process.py": MOMENT,
    "tests/integration/api/test_relay.py": NOTHING,
    "tests/integration/api/test_watches.py": MOMENT,
    "tests/integration/controllers/test_controllers.py": MOMENT,
    "tests/integration/diagnosis/test_slow_disk.py": SLOW,
    "tests/integration/replication/test_processes.py": PAUSE,
    "tests/integration/replication/test_snapshot_kills.py": MOMENT,
    "tests/integration/replication/test_state_comparison.py": NOTHING,
    "tests/integration/scheduling/test_kills.py": MOMENT,
    "tests/integration/store/test_kill.py": MOMENT,
    "tests/support/group_writers.py": PAUSE,
    "tests/support/simulated_agent.py": SLOW,
    "tests/support/steady_load.py": PAUSE,
    "tests/support/store_torture.py": PAUSE,
    "tests/support/waiting.py": "the helper that waits for conditions",
    "tests/unit/agent/test_http_probes.py": SLOW,
}


def sleeps_in(source: str) -> list[int]:
    """Return the lines on which time is slept away."""
    tree = ast.parse(source)
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio")
        for alias in node.names
        if alias.name == "sleep"
    } | {"time.sleep", "asyncio.sleep"}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in names
        and [ast.unparse(argument) for argument in node.args] != ["0"]
    ]


def test_only_those_sleep_that_say_what_for() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if (lines := sleeps_in(path.read_text(encoding="utf-8")))
    }
    unknown = {path: lines for path, lines in found.items() if path not in SLEEPERS}
    assert not unknown, f"wait for a condition by support.waiting; these sleep: {unknown}"
    assert found.keys() >= SLEEPERS.keys(), "a module of the list does not sleep any more"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("import time; time.sleep(1)", 1),
        ("from asyncio import sleep as nap\nasync def f(): await nap(x)", 1),
        ("import asyncio\nasync def f(): await asyncio.sleep(0)", 0),
        ("handler.sleep.seconds = 3", 0),
    ],
)
def test_every_way_of_sleeping_is_noticed(source: str, count: int) -> None:
    assert len(sleeps_in(source)) == count
