"""The agent with a real API server and real Podman; see the modules of scenarios."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.netns import namespace

_ROOT = Path(__file__).parents[3]
_PATHS = (_ROOT / "tests", _ROOT / "devtools")
_SCENARIOS = {
    "scenarios": ("lifecycle", "crashes", "restarts", "probes", "volumes", "streams"),
    "exec_scenarios": ("commands",),
    "spec_scenarios": ("settings",),
    "node_scenarios": ("silence", "node_deleted", "joins_and_renews", "cleans_up"),
    "kill_scenarios": ("killed_anywhere",),
    "hostile_scenarios": ("writes_its_files", "may_do_little", "sub_paths", "commands_end"),
}


@pytest.mark.root
@pytest.mark.podman
@pytest.mark.parametrize(
    ("module", "scenario"),
    [(module, name) for module, names in _SCENARIOS.items() for name in names],
)
def test_scenario(module: str, scenario: str) -> None:
    command = [sys.executable, "-m", "integration.agent.run_scenario", module, scenario]
    with namespace("agent") as inside:
        result = subprocess.run(
            ["nsenter", f"--net={inside.path}", *command],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, _PATHS))},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr[-12_000:]}"
