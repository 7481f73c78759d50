"""The simulator finds every known mistake that is planted in the core, within a bounded search."""

from __future__ import annotations

import pytest

from simulation.faults import Profile
from simulation.planted_bugs import PLANTED_BUGS
from simulation.runner import run_one

# The profile to look for each bug in. The bound is three to forty times as many seeds as it takes.
SEEDS_MAX = 400
PROFILES = {
    "older term committed by counting": Profile.CHURN,
    "own copy counted before fsync": Profile.CHURN,
    "stale read without a majority": Profile.SLEEP,
    "two changes at once": Profile.CHANGES,
    "change before own-term commit": Profile.CHANGES,
    "cut entries count as durable": Profile.DISKS,
    "write proves replaced entries": Profile.DISKS,
    "replaced membership in force": Profile.CHANGES,
    "skipped entries applied": Profile.CHANGES,
    "learners counted": Profile.CHANGES,
    "replaced change told as done": Profile.CHANGES,
    "barrier joined too late": Profile.READS,
    "barrier takes any answer": Profile.READS,
}


@pytest.mark.parametrize("bug", sorted(PLANTED_BUGS))
def test_the_planted_bug_is_found(bug: str, capsys: pytest.CaptureFixture[str]) -> None:
    profile = PROFILES.get(bug)
    for seed in range(SEEDS_MAX):
        failure = run_one(bug, profile, seed).failure
        if failure is not None:
            with capsys.disabled():
                print(f"\n{bug}: seed {seed}, {failure[:110]}")
            # The core without the bug passes with the same seed.
            assert run_one(None, profile, seed).failure is None
            return
    pytest.fail(f"{SEEDS_MAX} seeds did not find: {bug}")
