"""The agent with a real API server and real Podman; see `scenarios`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.netns import namespace

_TESTS = Path(__file__).parents[2]
_SCENARIOS = "integration.agent.scenarios"


@pytest.mark.root
@pytest.mark.podman
@pytest.mark.parametrize(
    "scenario", ["lifecycle", "crashes", "restarts", "probes", "volumes", "streams"]
)
def test_scenario(scenario: str) -> None:
    with namespace("agent") as inside:
        result = subprocess.run(
            ["nsenter", f"--net={inside.path}", sys.executable, "-m", _SCENARIOS, scenario],
            env={**os.environ, "PYTHONPATH": str(_TESTS)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr[-12_000:]}"
