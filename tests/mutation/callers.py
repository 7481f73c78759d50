"""Which tests call which functions, and how long they take.

Owns: the record of one run of a target's tests without mistakes, from which each mutant gets the
tests that can notice it, the quickest first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import pytest

from mutation.mutants import Mutant
from mutation.targets import ROOT, TARGETS, source_of

# Of a test: its id; of a function: its file and first line.
Callers = dict[tuple[str, int], list[str]]

# Tests that take longer find nothing that is worth the wait for each mutant.
_TEST_MAX_S = 20.0

OPTIONS = ("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider")


class _Recorder:
    """Notes who is called during each test.  Watching calls, and no lines, costs little."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._files = {str(source_of(module)) for module in modules}
        self._called: set[tuple[str, int]] = set()
        # How long each took, its id, whom it called.
        self.tests: list[tuple[float, str, frozenset[tuple[str, int]]]] = []

    def _watch(self, frame: FrameType, _event: str, _argument: Any) -> None:
        code = frame.f_code
        if code.co_filename in self._files:
            self._called.add((code.co_filename, code.co_firstlineno))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._called.clear()
        started = time.monotonic()
        sys.settrace(self._watch)
        threading.settrace(self._watch)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.tests.append((time.monotonic() - started, item.nodeid, frozenset(self._called)))


def record(answer: Connection, target: str) -> None:
    """Run the tests of ``target`` in this process; send who calls what, or what fails."""
    os.chdir(ROOT)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    recorder = _Recorder(TARGETS[target].modules)
    status = pytest.main([*OPTIONS, *TARGETS[target].tests], plugins=[recorder])
    callers: Callers = {}
    for seconds, test, called in sorted(recorder.tests):
        for function in called if seconds < _TEST_MAX_S else ():
            callers.setdefault(function, []).append(test)
    # The run stops at the first that fails.
    last = recorder.tests[-1][1] if recorder.tests else "none began"
    answer.send(callers if status == pytest.ExitCode.OK else f"without any mistake fails {last}")
    os._exit(0)


def tests_of(mutant: Mutant, callers: Callers) -> list[str] | None:
    """Return the tests that can notice ``mutant``, the quickest first; None: perhaps any."""
    if not mutant.function:
        return None
    return callers.get((str(source_of(mutant.module)), mutant.function), [])
