"""``./dev faults``: disturb three real servers for minutes while clients work, then check all.

kill -9, SIGSTOP, full disks, cut links, by a plan that follows from the seed
registers read, written and changed under compare-and-set at all members; watchers
afterwards: histories linearizable, nothing lost or invented, watches complete, members equal
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from math import inf
from pathlib import Path
from random import SystemRandom

from faults.plan import deaths_of_the_leader, faults
from faults.run import run
from faults.world import world
from support.raft_processes import NAMES


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long (default 2)")
    parser.add_argument("--seed", type=int, help="what goes wrong, and when (default: any)")
    parser.add_argument(
        "--leader-deaths",
        type=int,
        metavar="N",
        help="only kill -9 of the leader, so many times, with data on the real disk: how long do"
        " writes pause?",
    )
    parser.add_argument("--keep", action="store_true", help="keep the servers' logs and say where")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("it makes network namespaces and mounts: run it as root")
    seed = arguments.seed if arguments.seed is not None else SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pt-faults-") as directory:
        deaths = arguments.leader_deaths
        plan = deaths_of_the_leader(seed, deaths) if deaths else faults(seed, NAMES)
        seconds = inf if deaths else arguments.minutes * 60
        with world(Path(directory), own_disks=not deaths) as servers:
            report = asyncio.run(run(servers, seed, plan, _say, seconds=seconds))
        print(*report.lines(), sep="\n")
        problems = report.verdict.problems
        for problem in problems[:20]:
            print(f"PROBLEM: {problem}")
        if problems or arguments.keep:
            _keep_logs(Path(directory), seed)
    print(f"seed {seed}: {len(problems)} problems")
    return 1 if problems else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _keep_logs(directory: Path, seed: int) -> None:
    kept = Path(tempfile.mkdtemp(prefix=f"podraft-faults-{seed}-"))
    for log in directory.glob("*.log"):
        log.rename(kept / log.name)
    print(f"logs: {kept}")


if __name__ == "__main__":
    sys.exit(main())
