"""The protocol's main paths, as scripts with the traces that they must have.

``PODRAFT_REWRITE=1 ./dev test tests/unit/raft`` writes the traces anew; then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulation.script import rewritten

SCENARIOS = sorted((Path(__file__).parent / "data").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_scenario_has_its_trace(path: Path) -> None:
    text = path.read_text()
    traced = rewritten(text)
    if os.environ.get("PODRAFT_REWRITE"):
        path.write_text(traced)
    assert traced.splitlines() == text.splitlines()


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 10
