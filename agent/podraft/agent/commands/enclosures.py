"""Keeping track of a command in a container and everything it starts, so that it can be ended.

A command is more than one process: a shell's children survive it, in sessions and with parents
of their own. Where the runtime can put the command into a cgroup below its container's, the
kernel keeps track of them; elsewhere they are marked by a variable in the environment, which
children inherit.

Invariant: only what the command started is ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

_LOG = logging.getLogger(__name__)

# How long to wait between two looks at something that ends soon.
POLL_S = (0.02, 0.05, 0.1, 0.2)
_ENDING_TRIES = 100
_ENDING_PAUSE_S = 0.02
_CGROUPS = Path("/sys/fs/cgroup")
_MARK = "PODRAFT_EXEC"
_ENVIRONMENT_BYTES_MAX = 256 << 10
_PROCS_BYTES_MAX = 1 << 20


class Enclosure(Protocol):
    """The enclosure of one command."""

    @property
    def options(self) -> Sequence[str]:
        """The options for the runtime's ``exec``."""

    def kill(self) -> bool:
        """Kill everything inside; return whether nothing is left."""


def enclose(runtime: str, pid: int, container_id: str) -> Enclosure:
    """Return an enclosure in a container, given the container's first process."""
    cgroup = _container_cgroup(pid, container_id)
    if cgroup is not None and Path(runtime).name == "runc":
        name = f"podraft-exec-{secrets.token_hex(8)}"
        with contextlib.suppress(OSError):
            (cgroup / name).mkdir()
            return CgroupEnclosure(cgroup / name)
    return MarkedEnclosure(cgroup)


class CgroupEnclosure:
    """An enclosure by a cgroup of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def options(self) -> Sequence[str]:
        """See `Enclosure`."""
        unified = (self._path / "cgroup.controllers").exists()
        return ("--cgroup", self._path.name if unified else f"pids:{self._path.name}")

    def kill(self) -> bool:
        """See `Enclosure`."""
        if self._remove():
            return True
        try:
            (self._path / "cgroup.kill").write_bytes(b"1")
        except OSError:
            # On older kernels and hierarchies: no new process can start any more, so all of them
            # will die.
            with contextlib.suppress(OSError):
                (self._path / "pids.max").write_bytes(b"0")
            for pid in _processes(self._path):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return self._remove()

    def _remove(self) -> bool:
        try:
            self._path.rmdir()
        except OSError as error:
            return error.errno == errno.ENOENT  # The cgroup is gone with its container.
        return True


class MarkedEnclosure:
    """An enclosure by a variable in the environment; processes that clear it escape."""

    def __init__(self, cgroup: Path | None) -> None:
        self._cgroup = cgroup
        self.variable = f"{_MARK}={secrets.token_hex(8)}"

    @property
    def options(self) -> Sequence[str]:
        """See `Enclosure`."""
        return ("--env", self.variable)

    def kill(self) -> bool:
        """See `Enclosure`."""
        found = False
        for pid in _processes_below(self._cgroup) if self._cgroup is not None else ():
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                continue
            try:
                if self._marks(pid):
                    found = True
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            except ProcessLookupError:
                continue
            finally:
                os.close(descriptor)
        return not found

    def _marks(self, pid: int) -> bool:
        try:
            with Path(f"/proc/{pid}/environ").open("rb") as file:
                return self.variable.encode() in file.read(_ENVIRONMENT_BYTES_MAX).split(b"\0")
        except OSError:
            return False


async def emptied(finish: Callable[[], bool]) -> None:
    """Kill what is inside until nothing is left, for two seconds at most."""
    for _ in range(_ENDING_TRIES):
        if finish():
            return
        await asyncio.sleep(_ENDING_PAUSE_S)
    _LOG.warning("processes that a probe or hook started cannot be ended")


def _container_cgroup(pid: int, container_id: str) -> Path | None:
    """Return the cgroup of a container in the hierarchy that counts its processes."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_bytes().split(b"\n") if pid > 0 else []
    except OSError:
        return None
    unified = (_CGROUPS / "cgroup.controllers").exists()
    for line in lines:
        _number, controllers, path = [*line.split(b":", 2), b"", b""][:3]
        if (unified and not controllers) or b"pids" in controllers.split(b","):
            parts = Path(os.fsdecode(path)).parts[1:]
            # A runtime may keep its processes in a part of the container's own cgroup.
            own = [index for index, part in enumerate(parts) if container_id in part]
            root = _CGROUPS if unified else _CGROUPS / "pids"
            found = root.joinpath(*parts[: own[0] + 1]) if own else None
            return found if found is not None and found.is_dir() else None
    return None


def _processes(cgroup: Path) -> Iterator[int]:
    try:
        with (cgroup / "cgroup.procs").open("rb") as file:
            listed = file.read(_PROCS_BYTES_MAX).split()
    except OSError:
        return
    yield from (int(pid) for pid in listed if int(pid) > 0)


def _processes_below(cgroup: Path) -> Iterator[int]:
    for folder, _children, _files in os.walk(cgroup):
        yield from _processes(Path(folder))
