"""A separate program that starts a command in a container and reports how it ended.

``launcher.py REPORT LIFELINE PID-FILE RUNTIME…``: RUNTIME is the call of an OCI runtime that
leaves the command behind and writes its process id to PID-FILE. The command gets this process's
standard streams, so nothing stands between it and the holder of their other ends. One line goes
to the descriptor REPORT: ``exited CODE``, or ``failed`` if nothing was started.

Invariant: when LIFELINE ends before the command does, the command is ended: its caller is gone.
It is hung up on, as if its terminal had been closed, and killed if it stays.

It is run by path, without the package, because it must start in milliseconds.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER: orphans become our children.
_HANG_UP_S = 5.0


def main() -> None:
    """Run until the command has ended."""
    report, lifeline = int(sys.argv[1]), int(sys.argv[2])
    pid_file, words = sys.argv[3], sys.argv[4:]
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    for descriptor in (report, lifeline):
        os.set_inheritable(descriptor, False)
    try:
        # The command must not inherit the signals that this process ignores.
        defaults = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
        runtime = os.posix_spawnp(words[0], words, os.environ, setsigdef=defaults)
    except OSError as error:
        os.write(2, f"{words[0]}: {error.strerror}\n".encode())
        _tell(report, "failed")
        return
    _let_go_of_streams()
    _, status = os.waitpid(runtime, 0)
    if status != 0:
        _tell(report, "failed")
        return
    with open(pid_file, encoding="ascii") as file:  # noqa: PTH123 - pathlib takes as long as all else
        pid = int(file.read())
    _await(pid, lifeline)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    _tell(report, f"exited {code if code >= 0 else 128 - code}")


def _let_go_of_streams() -> None:
    """Leave the streams to the command alone, so that they end when it does."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def _await(pid: int, lifeline: int) -> None:
    """Wait until the command has ended; end it when the lifeline ends."""
    process = os.pidfd_open(pid)
    ready, _, _ = select.select([process, lifeline], [], [])
    if process in ready:
        return
    # A session that asks for a hang-up gets one; what left the session on purpose stays.
    _signal_session(pid, signal.SIGHUP)
    ready, _, _ = select.select([process], [], [], _HANG_UP_S)
    if not ready:
        _signal_session(pid, signal.SIGKILL)


def _signal_session(leader: int, number: signal.Signals) -> None:
    """Send a signal to the command and to what it has started in its own session."""
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdecimal() and (int(name) == leader or _session(int(name)) == leader):
            try:
                os.kill(int(name), number)
            except ProcessLookupError:
                continue


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _tell(report: int, line: str) -> None:
    # Perhaps nobody is left who wants to know.
    with contextlib.suppress(BrokenPipeError):
        os.write(report, line.encode() + b"\n")


if __name__ == "__main__":
    main()
