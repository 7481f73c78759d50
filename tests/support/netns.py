"""Network namespaces for tests: made, entered by the calling thread, and removed again.

Names begin with ``pt-`` and hold the process id, so that runs do not meet.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


class Namespace:
    """One named network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = Path("/run/netns", name)

    def run(self, *command: str, check: bool = True, timeout_s: float = 20) -> str:
        """Run a command inside and return what it printed."""
        return run_inside(self.path, command, check=check, timeout_s=timeout_s)

    def spawn(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a process inside; the caller ends it."""
        return spawn_inside(self.path, command)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Move the calling thread inside; threads that it starts meanwhile are inside as well."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(self.path, os.O_RDONLY)
        try:
            _set_namespace(inside)
            try:
                yield
            finally:
                _set_namespace(before)
        finally:
            os.close(inside)
            os.close(before)


@contextlib.contextmanager
def namespace(label: str = "node") -> Iterator[Namespace]:
    """Make a namespace with its loopback interface up, and remove it at the end."""
    made = Namespace(f"pt-{label}-{os.getpid()}-{next(_numbers)}")
    subprocess.run(["ip", "netns", "add", made.name], check=True)
    try:
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "delete", made.name], check=True)


def connect(
    left: Namespace, left_address: str, right: Namespace, right_address: str, name: str = "eth0"
) -> None:
    """Connect two namespaces by a veth pair; addresses are given with their prefix length."""
    left.run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", right.name)
    for end, address in ((left, left_address), (right, right_address)):
        end.run("ip", "address", "add", address, "dev", name)
        end.run("ip", "link", "set", name, "up")


def run_inside(
    path: Path | str, command: Sequence[str], *, check: bool = True, timeout_s: float = 20
) -> str:
    """Run a command in the network namespace at a path and return what it printed."""
    done = subprocess.run(
        ["nsenter", f"--net={path}", *command],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def spawn_inside(path: Path | str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process in the network namespace at a path; the caller ends it."""
    return subprocess.Popen(
        ["nsenter", f"--net={path}", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _set_namespace(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
