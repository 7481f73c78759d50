"""Of a command nothing survives its enclosure, and nobody else is harmed."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from podraft.agent.commands.enclosures import CgroupEnclosure, enclose
from support.waiting import eventually

pytestmark = pytest.mark.root

_SYSTEM = Path("/sys/fs/cgroup")
# It begins when it is told to: it has been put where it belongs by then.
_FORKS = "read go; (sleep 1005 & sleep 1005) & setsid sleep 1005 >/dev/null 2>&1 & sleep 1005"


@pytest.fixture
def container() -> Iterator[tuple[str, Path]]:
    """Provide a cgroup named as a container's, and end what is left in it."""
    container_id = secrets.token_hex(32)
    unified = (_SYSTEM / "cgroup.controllers").exists()
    path = (_SYSTEM if unified else _SYSTEM / "pids") / f"podraft-test-{container_id}"
    path.mkdir()
    try:
        yield container_id, path
    finally:
        left = CgroupEnclosure(path)
        eventually(left.kill)


@contextlib.contextmanager
def _started(cgroup: Path, script: str, variable: str = "") -> Iterator[subprocess.Popen[bytes]]:
    environment = dict([variable.split("=")]) if variable else {}
    command = ["/bin/sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as process:
        (cgroup / "cgroup.procs").write_text(str(process.pid))
        try:
            yield process
        finally:
            process.kill()


def _count(cgroup: Path) -> int:
    return len((cgroup / "cgroup.procs").read_text().split())


@pytest.mark.parametrize("runtime", ["runc", "/usr/bin/crun"])
def test_all_that_a_command_started_ends_and_its_container_goes_on(
    container: tuple[str, Path], runtime: str
) -> None:
    container_id, path = container
    with _started(path, "read never") as first:
        enclosure = enclose(runtime, first.pid, container_id)
        inside, variable = path, enclosure.options[1]
        if isinstance(enclosure, CgroupEnclosure):
            inside, variable = path / enclosure.options[1].removeprefix("pids:"), ""
        before = _count(inside)
        with _started(inside, _FORKS, variable) as command:
            assert command.stdin is not None
            command.stdin.write(b"\n")
            command.stdin.flush()
            eventually(lambda: _count(inside) >= before + 5)
            eventually(lambda: enclosure.kill() and not _living(path, first.pid))
        assert first.poll() is None
        assert enclosure.kill(), "it is over, and may be asked again"


def _living(cgroup: Path, but: int) -> list[int]:
    """Return the processes in a cgroup and below that have not ended; zombies have."""
    found = []
    for folder, _children, _files in os.walk(cgroup):
        with contextlib.suppress(OSError):
            found += map(int, (Path(folder) / "cgroup.procs").read_text().split())
    return [pid for pid in found if pid != but and _state(pid) not in ("Z", "X")]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def test_a_pid_that_is_another_containers_is_left_alone(container: tuple[str, Path]) -> None:
    _, path = container
    with _started(path, "read never") as other:
        enclosure = enclose("runc", other.pid, "0" * 64)
        assert enclosure.kill()
        assert other.poll() is None
