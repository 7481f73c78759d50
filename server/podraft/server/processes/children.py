"""Child processes: the components that are clients of the API.

Owns: starting the children, restarting them when they end, ending them.  Invariants: a
child does not outlive its parent, however the parent dies; restarts are spaced by a bounded
back-off.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOG = logging.getLogger(__name__)

_BACKOFF_S_MIN: Final = 0.5
_BACKOFF_S_MAX: Final = 15.0
_STABLE_S: Final = 60.0
_STOP_S_MAX: Final = 8.0
_PARENT: Final = "PODRAFT_PARENT_PID"
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A component and how to start it."""

    name: str
    arguments: Sequence[str]


class Supervisor:
    """The supervisor that keeps one child process per command running."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = commands
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._restarting: set[str] = set()

    def start(self) -> None:
        """Start all children."""
        self._tasks = [asyncio.create_task(self._keep(command)) for command in self._commands]

    async def stop(self) -> None:
        """End all children: politely at first, then by force."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def restart(self, name: str) -> None:
        """End a child, if it runs, so that it starts again and reads its files anew."""
        process = self._processes.get(name)
        if process is not None and process.returncode is None:
            self._restarting.add(name)
            await _end(process)

    async def _keep(self, command: Command) -> None:
        backoff_s = _BACKOFF_S_MIN
        while True:
            started_s = time.monotonic()
            try:
                status = await self._run(command)
            except OSError as error:
                # The machine lacks descriptors or memory, which both come back.
                _LOG.error("the %s cannot be started: %s", command.name, error)
                status = -1
            if command.name in self._restarting:
                self._restarting.discard(command.name)
                continue
            if time.monotonic() - started_s > _STABLE_S:
                backoff_s = _BACKOFF_S_MIN
            _LOG.error(
                "the %s ended status=%d; starting it again in %.1f s",
                command.name,
                status,
                backoff_s,
            )
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_S_MAX)

    async def _run(self, command: Command) -> int:
        """Run one child to its end; when cancelled, end it."""
        environment = {**os.environ, _PARENT: str(os.getpid())}
        process = await asyncio.create_subprocess_exec(
            *command.arguments, stdin=asyncio.subprocess.DEVNULL, env=environment
        )
        self._processes[command.name] = process
        _LOG.info("started the %s pid=%d", command.name, process.pid)
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        process.terminate()
        await asyncio.wait_for(process.wait(), _STOP_S_MAX)
    except TimeoutError:
        process.kill()
        await process.wait()
    except ProcessLookupError:
        pass


def self_command(name: str, arguments: Sequence[str]) -> Command:
    """Return the command that runs this program as one component."""
    return Command(name, (sys.executable, "-m", "podraft.server.app", *arguments))


def environment_of_child() -> dict[str, str]:
    """Return the environment of a process that follows this one and needs no settings from it."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    return {**kept, _PARENT: str(os.getpid())}


def follow_parent(keep: int = 2) -> None:
    """Die with the parent, and close what was inherited from it; called first in a child.

    Only the standard descriptors and ``keep`` stay open: C libraries leave theirs to every child,
    the store's files among them.

    The kernel's signal is requested here rather than between fork and exec, where
    little is safe; the death of a parent meanwhile is noticed by its pid.
    """
    expected = os.environ.pop(_PARENT, "")
    if not expected:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(expected):
        sys.exit(1)
    for descriptor in [int(each.name) for each in Path("/proc/self/fd").iterdir()]:
        if descriptor > 2 and descriptor != keep:
            with contextlib.suppress(OSError):  # The descriptor by which the directory was read.
                os.close(descriptor)
