"""``./dev sim``: run seeds, say how fast, and how to see a failure again."""

from __future__ import annotations

import argparse
import sys
import time

from simulation.faults import Profile
from simulation.planted_bugs import PLANTED_BUGS
from simulation.runner import explain, run_seeds

_FAILURES_SHOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=0, help="default: one per core")
    parser.add_argument("--profile", choices=[profile.value for profile in Profile])
    parser.add_argument("--bug", choices=sorted(PLANTED_BUGS), help="plant a known bug")
    arguments = parser.parse_args()
    profile = Profile(arguments.profile) if arguments.profile else None
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    started = shown = time.monotonic()
    failed = operations = undecided = 0
    results = run_seeds(seeds, bug=arguments.bug, profile=profile, processes=arguments.processes)
    for done, result in enumerate(results, 1):
        operations += result.operations
        undecided += result.undecided
        if result.failure is not None:
            failed += 1
            if failed <= _FAILURES_SHOWN:
                print(explain(result, profile), flush=True)
        now = time.monotonic()
        if now - shown > 10 or done == len(seeds):
            shown = now
            print(
                f"{done}/{len(seeds)} seeds, {failed} failed, {operations} operations,"
                f" {undecided} searches undecided, {done / (now - started):.1f} seeds/s",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
