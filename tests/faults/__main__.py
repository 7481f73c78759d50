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
from pathlib import Path
from random import SystemRandom

from faults.run import run
from faults.world import world


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long (default 2)")
    parser.add_argument("--seed", type=int, help="what goes wrong, and when (default: any)")
    parser.add_argument("--keep", action="store_true", help="keep the servers' logs and say where")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("it makes network namespaces and mounts: run it as root")
    seed = arguments.seed if arguments.seed is not None else SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pt-faults-") as directory:
        with world(Path(directory)) as servers:
            report = asyncio.run(
                run(servers, seed, arguments.minutes * 60, lambda line: print(line, flush=True))
            )
        print(*report.lines(), sep="\n")
        problems = report.verdict.problems
        for problem in problems[:20]:
            print(f"PROBLEM: {problem}")
        if problems or arguments.keep:
            _keep_logs(Path(directory), seed)
    print(f"seed {seed}: {len(problems)} problems")
    return 1 if problems else 0


def _keep_logs(directory: Path, seed: int) -> None:
    kept = Path(tempfile.mkdtemp(prefix=f"podraft-faults-{seed}-"))
    for log in directory.glob("*.log"):
        log.rename(kept / log.name)
    print(f"logs: {kept}")


if __name__ == "__main__":
    sys.exit(main())
