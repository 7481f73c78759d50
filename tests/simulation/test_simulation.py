"""Groups under every fault keep every property, and a seed determines a whole run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from simulation.faults import Profile
from simulation.runner import explain, run_seeds
from simulation.simulation import Events, Result

SEEDS = 2_000
BUDGET_S = 240.0
# Even on a busy machine, this many runs are enough to be meaningful.
SEEDS_MIN = 100


@pytest.mark.timeout(400)
def test_every_property_holds_in_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    results = []
    for result in run_seeds(range(SEEDS), budget_s=BUDGET_S):
        results.append(result)
        if result.failure is not None:
            pytest.fail(explain(result), pytrace=False)
    rate = len(results) / (time.monotonic() - started)
    with capsys.disabled():
        print(f"\n{len(results)} simulated groups, {rate:.1f}/s")
    assert len(results) >= SEEDS_MIN
    assert sum(result.operations for result in results) > 100 * len(results)
    # What is rare in one run occurs in many: otherwise the properties above would mean little.
    for event in fields(Events):
        total = sum(getattr(result.events, event.name) for result in results)
        assert total > len(results), f"only {total} {event.name} in {len(results)} runs"
    # The bound of the search is there for planted bugs; here the search decides.
    assert sum(result.undecided for result in results) <= len(results) / 50


@pytest.mark.parametrize("profile", list(Profile))
def test_every_profile_is_survived(simulate: Callable[..., Result], profile: Profile) -> None:
    for seed in range(20_000, 20_003):
        assert simulate(seed, profile).revisions > 5


def test_a_seed_reproduces_a_run_whatever_the_hash_seed_is() -> None:
    program = "from simulation.simulation import run; print(*[run(s).digest for s in (3, 4, 5)])"
    tests = str(Path(__file__).parent.parent)
    digests = set()
    for hash_seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": tests}
        completed = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        digests.add(completed.stdout)
    assert len(digests) == 1
    assert len(set(digests.pop().split())) == 3
