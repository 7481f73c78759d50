"""``./dev mutate``: plant small mistakes into the cores, one at a time; say which nobody notices.

A survivor is a gap in the tests, or no mistake at all: then `equivalent.toml` says why.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from mutation.callers import Callers, record, tests_of
from mutation.mutants import Mutant, mutants
from mutation.targets import TARGETS, source_of
from mutation.trial import attempt

_LIST = Path(__file__).with_name("equivalent.toml")
_SECONDS_PER_SEED = 3.0
_TESTS_S = 240.0
_RECORD_S = 1_200.0
_SURVIVED = "SURVIVED "
# What takes a while to import and is never mutated, once for all trials.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    ["pytest", "hypothesis", "pytest_timeout", "google.protobuf.message", "sortedcontainers"]
)


def all_mutants(target: str) -> list[Mutant]:
    """Return a target's mutants."""
    return [
        mutant
        for module in TARGETS[target].modules
        for mutant in mutants(module, source_of(module).read_text())
    ]


def equivalent() -> dict[str, str]:
    """Return the mutants that are no mistakes, with the reasons."""
    listed: dict[str, str] = {}
    for group in tomllib.loads(_LIST.read_text()).get("equivalent", []):
        listed.update(dict.fromkeys(group["mutants"], group["reason"]))
    return listed


def recorded(target: str) -> Callers:
    """Return which tests of ``target`` call which functions.

    Raises:
        SystemExit: They fail without any mistake.
    """
    found = _in_process(record, (target,), _RECORD_S)
    if not isinstance(found, dict):
        raise SystemExit(f"{target}: {found}")
    return found


def trial(target: str, seeds: int, callers: Callers | None, mutant: Mutant) -> tuple[str, str]:
    """Return the mutant's name and what found it; nothing: it survived."""
    chosen = None if callers is None else tests_of(mutant, callers)
    arguments = (target, mutant.name, chosen, seeds)
    found = _in_process(attempt, arguments, _TESTS_S + seeds * _SECONDS_PER_SEED)
    return mutant.name, str(found)


def _in_process(work: Callable[..., None], arguments: tuple[object, ...], seconds: float) -> object:
    """Return what ``work`` sends from a process of its own."""
    answers, answer = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=work, args=(answer, *arguments), daemon=True)
    process.start()
    answer.close()
    try:
        return answers.recv() if answers.poll(seconds) else "it hangs"
    except EOFError:
        return "the process ended"
    finally:
        process.kill()
        process.join()
        answers.close()


def trials(
    target: str,
    chosen: Sequence[Mutant],
    seeds: int,
    processes: int,
    callers: Callers | None = None,
) -> Iterator[tuple[str, str]]:
    """Try the ``chosen`` mutants side by side; without ``callers`` with all tests of the target."""
    with ThreadPoolExecutor(processes) as pool:
        yield from pool.map(partial(trial, target, seeds, callers), chosen)


def main() -> int:
    """Run the command; 1 if a mutant survived that is not known to be equivalent."""
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="default: all")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose name has this")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="those that survived in FILE, an earlier output"
    )
    parser.add_argument("--sample", type=int, default=0, help="so many of each target, at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--seeds", type=int, default=300, help="simulated groups (default 300)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="print names, try nothing")
    parser.add_argument("--verbose", action="store_true", help="say what found each")
    arguments = parser.parse_args()
    known = equivalent()
    again = _survivors_in(arguments.again) if arguments.again else None
    survivors = 0
    for target in arguments.target or sorted(TARGETS):
        chosen = [
            mutant
            for mutant in all_mutants(target)
            if arguments.only in mutant.name
            and mutant.name not in known
            and (again is None or mutant.name in again)
        ]
        if arguments.sample and arguments.sample < len(chosen):
            chosen = random.Random(arguments.seed).sample(chosen, arguments.sample)
        if arguments.list:
            print("\n".join(mutant.name for mutant in chosen))
            continue
        survivors += _report(target, chosen, arguments)
    return 1 if survivors else 0


def _survivors_in(output: Path) -> set[str]:
    lines = output.read_text().splitlines()
    return {line.removeprefix(_SURVIVED) for line in lines if line.startswith(_SURVIVED)}


def _report(target: str, chosen: Sequence[Mutant], arguments: argparse.Namespace) -> int:
    """Try a target's mutants, tell of survivors as they come, return how many there are."""
    survivors = 0
    callers = recorded(target)
    started = shown = time.monotonic()
    for done, (name, found) in enumerate(
        trials(target, chosen, arguments.seeds, arguments.processes, callers), 1
    ):
        if not found:
            survivors += 1
            print(f"{_SURVIVED}{name}", flush=True)
        elif arguments.verbose:
            print(f"found    {name}\n         by {found}", flush=True)
        now = time.monotonic()
        if now - shown > 30 or done == len(chosen):
            shown = now
            print(
                f"{target}: {done}/{len(chosen)} mutants, {survivors} survived,"
                f" {now - started:.0f} s",
                flush=True,
            )
    return survivors


if __name__ == "__main__":
    sys.exit(main())
