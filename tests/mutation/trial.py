"""One mutant's trial, in a process of its own: ``python -m mutation.trial TARGET NAME SEEDS``.

Owns: putting the mutant in the module's place, and the order of what tries it: the unit tests, then
simulated groups.  Prints what found it, or nothing.  A mutant that hangs is found: the caller ends
the trial after a while.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final

from mutation.mutants import mutated
from mutation.targets import TARGETS, source_of

ROOT: Final = Path(__file__).parent.parent.parent


class _Finder(Loader):
    """Finds one module: the mutant."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave the module's making to Python."""

    def exec_module(self, module: ModuleType) -> None:
        path = source_of(self._module)
        tree = mutated(self._module, path.read_text(), self._name)
        module.__file__ = str(path)
        exec(compile(tree, path, "exec"), module.__dict__)


def _tests_find(tests: Sequence[str]) -> str:
    import pytest

    class _FirstFailure:
        name = ""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and not self.name:
                self.name = report.nodeid

    first = _FirstFailure()
    options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "--timeout=60"]
    status = pytest.main([*options, *tests], plugins=[first])
    return "" if status == pytest.ExitCode.OK else first.name or "import"


def _seeds_find(seeds: int) -> str:
    from simulation.simulation import run

    for seed in range(seeds):
        failure = run(seed).failure
        if failure is not None:
            return f"seed {seed}: {failure[:80]}"
    return ""


def main() -> None:
    """Try one mutant."""
    target, name, seeds = TARGETS[sys.argv[1]], sys.argv[2], int(sys.argv[3])
    sys.meta_path.insert(0, _Finder(name.partition(":")[0], name))
    os.chdir(ROOT)
    printing = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        found = _tests_find(target.tests) or (_seeds_find(seeds) if target.simulated else "")
    except Exception as error:  # noqa: BLE001  # Whatever breaks has found the mutant.
        found = f"{type(error).__name__}: {error}"
    os.write(printing, found.encode())
    # Threads that a mutant left hanging are no reason to wait.
    os._exit(0)


if __name__ == "__main__":
    main()
