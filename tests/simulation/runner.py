"""Many seeds on all cores.

Owns: the distribution of seeds to processes, and how a failure is shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context

from simulation.faults import Profile
from simulation.planted_bugs import PLANTED_BUGS
from simulation.simulation import Result, run


def run_one(bug: str | None, profile: Profile | None, seed: int) -> Result:
    """Run one seed, with the core as it is or with a planted bug."""
    if bug is None:
        return run(seed, profile=profile)
    return run(seed, PLANTED_BUGS[bug], profile)


def run_seeds(
    seeds: Sequence[int],
    *,
    bug: str | None = None,
    profile: Profile | None = None,
    processes: int = 0,
    budget_s: float = float("inf"),
) -> Iterator[Result]:
    """Yield results as they come; begin no new runs once the budget is spent."""
    work = partial(run_one, bug, profile)
    deadline = time.monotonic() + budget_s
    # Fresh processes: nothing from this one, least of all its threads, can leak into a run.
    with get_context("spawn").Pool(processes or os.cpu_count() or 1) as pool:
        for result in pool.imap_unordered(work, seeds, chunksize=4):
            yield result
            if time.monotonic() > deadline:
                return


def explain(result: Result, profile: Profile | None = None) -> str:
    """Return what failed, how to see it again, and what happened before."""
    suffix = f" --profile {profile.value}" if profile is not None else ""
    again = f"./dev sim --seeds 1 --first-seed {result.seed}{suffix}"
    lines = "\n".join(f"    {line}" for line in result.trace)
    return f"seed {result.seed} failed {result.failure}\n{lines}\n  again: {again}"
