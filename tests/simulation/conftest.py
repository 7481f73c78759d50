"""The simulator as a fixture."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simulation.faults import Profile
from simulation.runner import explain, run_one
from simulation.simulation import Result


@pytest.fixture
def simulate() -> Callable[..., Result]:
    """Return a function that runs a seed and fails the test with the trace if a property breaks."""

    def simulated(seed: int, profile: Profile | None = None) -> Result:
        result = run_one(None, profile, seed)
        if result.failure is not None:
            pytest.fail(explain(result, profile), pytrace=False)
        return result

    return simulated
