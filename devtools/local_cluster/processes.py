"""Processes that outlive the command that started them.

Invariant: a process is identified by its pid *and* its start time, so that a pid
that the kernel has reused is never signalled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process that this or an earlier command started."""

    name: str
    pid: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether the process still runs (a zombie does not)."""
        return _start_ticks(self.pid) == self.start_ticks

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the pid still belongs to this process."""
        if self.alive:
            os.kill(self.pid, number)

    def stop(self, *, within_s: float = 15.0) -> None:
        """Ask the process to end; kill it if it has not within ``within_s``."""
        self.signal(signal.SIGTERM)
        if not self.wait(within_s):
            self.signal(signal.SIGKILL)
            self.wait(5.0)

    def wait(self, within_s: float) -> bool:
        """Wait for the process to end; return whether it has within ``within_s``."""
        deadline = time.monotonic() + within_s
        while self.alive:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def start(
    name: str,
    command: Sequence[str],
    *,
    directory: Path,
    namespace: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start ``command`` detached, its output in ``<directory>/<name>.log``.

    ``namespace`` is the name of a network namespace to start it in, which is not entered
    by ``ip netns exec``, as that remounts ``/sys`` and so hides the cgroups.
    """
    directory.mkdir(parents=True, exist_ok=True)
    prefix = ("nsenter", f"--net=/run/netns/{namespace}") if namespace else ()
    with (directory / f"{name}.log").open("ab") as log:
        child = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=directory,
            env={**os.environ, **(environment or {})},
        )
    ticks = _start_ticks(child.pid)
    process = Process(name, child.pid, ticks if ticks is not None else -1)
    (directory / f"{name}.pid").write_text(json.dumps([process.pid, process.start_ticks]))
    return process


def find(name: str, *, directory: Path) -> Process | None:
    """Return the running process of this name, or None."""
    try:
        pid, ticks = json.loads((directory / f"{name}.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    process = Process(name, pid, ticks)
    return process if process.alive else None


def last_words(name: str, *, directory: Path, lines: int = 5) -> str:
    """Return the end of a process's log, for an error message."""
    try:
        text = (directory / f"{name}.log").read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _start_ticks(pid: int) -> int | None:
    """Return when a live process started, in clock ticks since boot; None if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name, in parentheses, may contain blanks.
    state, *fields = text.rpartition(")")[2].split()
    if state == "Z":
        _reap(pid)
        return None
    return int(fields[18])


def _reap(pid: int) -> None:
    """Collect an ended child of this process; init collects the children of others."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
