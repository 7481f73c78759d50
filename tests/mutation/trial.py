"""One mutant's trial, in a process of its own.

Owns: putting the mutant in the module's place, and the order of what tries it: the unit tests, then
simulated groups.  Tells what found it, or nothing.  A mutant that hangs is found: the caller ends
the trial after a while.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection
from types import ModuleType

import pytest

from mutation.callers import OPTIONS
from mutation.mutants import mutated
from mutation.targets import ROOT, TARGETS, source_of


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


class _Chosen:
    """Lets the ``chosen`` tests run, in that order, and notes the first that fails."""

    def __init__(self, chosen: Sequence[str] | None) -> None:
        self._chosen = chosen
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._chosen is not None:
            order = {test: place for place, test in enumerate(self._chosen)}
            items[:] = [item for item in items if item.nodeid in order]
            items.sort(key=lambda item: order[item.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _tests_find(tests: Sequence[str], chosen: Sequence[str] | None) -> str:
    if chosen is not None:
        tests = sorted({test.partition("::")[0] for test in chosen})
        if not tests:
            return ""
    plugin = _Chosen(chosen)
    status = pytest.main([*OPTIONS, "--timeout=30", *tests], plugins=[plugin])
    return "" if status == pytest.ExitCode.OK else plugin.failed or "import"


def _seeds_find(seeds: int) -> str:
    from simulation.simulation import run

    for seed in range(seeds):
        failure = run(seed).failure
        if failure is not None:
            return f"seed {seed}: {failure[:80]}"
    return ""


def attempt(
    answer: Connection, target: str, name: str, chosen: Sequence[str] | None, seeds: int
) -> None:
    """Try the mutant ``name``; send what found it, an empty text if nothing did.

    ``chosen``: the tests that can notice it; None: all of the target.
    """
    sys.meta_path.insert(0, _Finder(name.partition(":")[0], name))
    os.chdir(ROOT)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    tried_by = TARGETS[target]
    try:
        found = _tests_find(tried_by.tests, chosen)
        if not found and tried_by.simulated:
            found = _seeds_find(seeds)
    except Exception as error:  # noqa: BLE001  # Whatever breaks has found the mutant.
        found = f"{type(error).__name__}: {error}"
    answer.send(found)
    # Threads that a mutant left hanging are no reason to wait.
    os._exit(0)
