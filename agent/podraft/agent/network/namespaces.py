"""Kernel namespaces: making, pinning, entering and releasing them.

A namespace lives as long as a process is in it or something is mounted from it.  Pods'
namespaces are pinned by bind mounts, so that no process has to stay behind for them and
a restart of the agent finds them where they were.

Invariant: the agent's own threads never change their namespaces. Namespaces belong to threads,
so each operation that needs another one runs in a thread that ends with it; there is no fork,
which would deadlock in a process with gRPC's threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from podraft.agent.network.core.errors import KernelError

CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MNT_DETACH = 2

KINDS = ("net", "ipc", "uts")

ResultT = TypeVar("ResultT")

_libc = ctypes.CDLL(None, use_errno=True)


def pin(directory: Path, hostname: str, *, host_network: bool) -> None:
    """Make the namespaces of one pod and pin them as ``net``, ``ipc`` and ``uts``.

    A pod in the host's network shares the network and the host name of the calling
    thread's namespaces; only its IPC namespace is its own.

    Raises:
        KernelError: The kernel refused; what was pinned so far stays for `release`.
    """
    for kind in KINDS:
        (directory / kind).touch()

    def make() -> None:
        if host_network:
            _check("cannot make an IPC namespace", _libc.unshare(CLONE_NEWIPC))
        else:
            flags = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
            _check("cannot make the pod's namespaces", _libc.unshare(flags))
            socket.sethostname(hostname)
        for kind in KINDS:
            _bind(f"/proc/thread-self/ns/{kind}", directory / kind)

    in_own_thread(make)


def is_pinned(directory: Path) -> bool:
    """Return whether all of a pod's namespaces are pinned in a directory."""
    device = os.stat("/proc/thread-self/ns/net").st_dev  # noqa: PTH116 - no file of ours
    try:
        return all((directory / kind).stat().st_dev == device for kind in KINDS)
    except FileNotFoundError:
        return False


def release(directory: Path) -> None:
    """Unpin the namespaces and remove their files; idempotent.

    The namespaces end when the last process in them does.
    """
    for kind in KINDS:
        path = directory / kind
        with contextlib.suppress(FileNotFoundError):
            while _unmount(path):
                pass  # An interrupted attempt may have mounted on it twice.
            path.unlink()


def in_network_namespace(path: Path, work: Callable[[], ResultT]) -> ResultT:
    """Run ``work`` in a pinned network namespace; the calling thread stays where it is."""

    def enter() -> ResultT:
        with _opened(path) as descriptor:
            _check(f"cannot enter {path}", _libc.setns(descriptor, CLONE_NEWNET))
        return work()

    return in_own_thread(enter)


def in_own_thread(work: Callable[[], ResultT]) -> ResultT:
    """Run ``work`` in a thread of its own; return its result or raise its error."""
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the caller
            errors.append(error)

    thread = threading.Thread(target=run, name="namespace", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _bind(source: str, target: Path) -> None:
    result = _libc.mount(source.encode(), os.fsencode(target), None, _MS_BIND, None)
    _check(f"cannot pin {target}", result)


def _unmount(target: Path) -> bool:
    """Unmount once; return whether there was a mount."""
    if _libc.umount2(os.fsencode(target), _MNT_DETACH) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOENT):
        return False
    raise KernelError(f"cannot unpin {target}", number, os.strerror(number))


def _check(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise KernelError(what, number, os.strerror(number))
