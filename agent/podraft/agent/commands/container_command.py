"""A command in a running container: its streams, its terminal, its end.

The OCI runtime starts it with our pipes as its standard streams, or with a terminal whose
other side we get.  Podman's own exec is not used: when the command does not read its input,
Podman writes complaints of its own among the command's output and loses some of it; and it
leaves the command running when the caller goes (ADR 3).

Invariant: the exit code is the command's own, whatever became of its input; everything it wrote
before its end is read before the end is reported; leaving the context ends the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import socket
import struct
import sys
import tempfile
import termios
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from podraft.agent.commands.descriptors import read_now, readable, write_all

_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_PROCESS: Final = "process.json"
_TERMINAL_WITHIN_S: Final = 10.0
_COMPLAINT_BYTES_MAX: Final = 4096
# A command that has ended may have left this much in its pipes; a child that goes on writing is not
# waited for.
_LEFT_BYTES_MAX: Final = 1 << 20
# A shell's exit codes for a program that may not be run or does not exist.
_NOT_EXECUTABLE: Final = 126
_NOT_FOUND: Final = 127


class RunningContainer(NamedTuple):
    """A running container: its id, its OCI runtime, and the directory of its bundle."""

    id: str
    runtime: str
    bundle: Path


class Size(NamedTuple):
    """A terminal's size in characters and lines."""

    columns: int
    rows: int


class CommandError(Exception):
    """The error of a command that could not be started; the message says why."""


class ContainerCommand:
    """A running command; see `running`."""

    def __init__(self, ends: _Ends) -> None:
        self._ends = ends
        self._report: bytes | None = None

    async def write(self, data: bytes) -> None:
        """Write data to the command's input.

        Raises:
            OSError: The command no longer reads.
        """
        if self._ends.terminal is not None:
            await write_all(self._ends.terminal, data)
        elif self._ends.stdin is not None:
            await write_all(self._ends.stdin, data)

    def close_input(self) -> None:
        """Close the command's input; a terminal's input ends only with the terminal."""
        stdin, self._ends.stdin = self._ends.stdin, None
        if stdin is not None:
            os.close(stdin)

    def resize(self, size: Size) -> None:
        """Resize the command's terminal, if it has one."""
        if self._ends.terminal is not None:
            packed = struct.pack("HHHH", size.rows, size.columns, 0, 0)
            fcntl.ioctl(self._ends.terminal, termios.TIOCSWINSZ, packed)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the command's output until it has ended: 1 is standard output, 2 standard error."""
        waiting = dict(self._ends.outputs)
        left = _LEFT_BYTES_MAX
        while self._report is None or left > 0:
            if self._report is None:
                await readable([*waiting, self._ends.report])
                self._report = read_now(self._ends.report)
            read = 0
            for descriptor, stream in tuple(waiting.items()):
                data = read_now(descriptor)
                if data:
                    read += len(data)
                    yield stream, data
                elif data is not None:
                    del waiting[descriptor]
            if self._report is not None:
                left = left - read if read else 0

    def exit_code(self) -> int:
        """Return the command's exit code; call it after `output` has ended.

        Raises:
            CommandError: The command was not started.
        """
        match (self._report or b"").split():
            case [b"exited", code]:
                return int(code)
            case [b"failed"]:
                return _code_of(_complaint(self._ends.log))
            case _:
                raise CommandError("what runs it was killed")


@contextlib.asynccontextmanager
async def running(
    container: RunningContainer, command: Sequence[str], *, stdin: bool, terminal: Size | None
) -> AsyncIterator[ContainerCommand]:
    """Run a command for the length of a block; end it on leaving if it still runs.

    Raises:
        CommandError: The command cannot be started.
        OSError: No more processes or descriptors are available.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="podraft-exec-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        _describe(folder / _PROCESS, container.bundle, command, terminal)
        launch = _Launch(stack, folder, container)
        if terminal is not None:
            ends = await launch.with_terminal()
        else:
            ends = await launch.with_pipes(stdin=stdin)
        started = ContainerCommand(ends)
        stack.callback(started.close_input)
        yield started


@dataclass(slots=True)
class _Ends:
    """Our ends of the command's streams, and the report of its launcher."""

    report: int
    log: Path
    outputs: dict[int, int] = field(default_factory=dict)
    stdin: int | None = None
    terminal: int | None = None


class _Launch:
    """The start of a launcher; everything that it opens is closed with the stack."""

    def __init__(
        self, stack: contextlib.AsyncExitStack, folder: Path, container: RunningContainer
    ) -> None:
        self._stack = stack
        self._folder = folder
        self._container = container
        # The command's ends, which nobody else may hold once it runs.
        self._theirs = stack.enter_context(contextlib.ExitStack())

    async def with_pipes(self, *, stdin: bool) -> _Ends:
        ours: int | None = None
        if stdin:
            theirs, ours = os.pipe()
            os.set_blocking(ours, False)
            self._theirs.callback(os.close, theirs)
        else:
            theirs = self._null()
        output, their_output = self._pipe()
        errors, their_errors = self._pipe()
        try:
            ends = await self._start((theirs, their_output, their_errors))
        except BaseException:
            if ours is not None:
                os.close(ours)
            raise
        ends.stdin = ours
        ends.outputs = {output: 1, errors: 2}
        return ends

    async def with_terminal(self) -> _Ends:
        path = self._folder / "terminal"
        listener = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(path))
        listener.listen(1)
        listener.setblocking(False)
        # Errors of the runtime itself, before the command exists.
        errors, their_errors = self._pipe()
        null = self._null()
        ends = await self._start((null, null, their_errors), "--console-socket", str(path))
        ends.outputs = {errors: 2}
        ends.terminal = await self._terminal(listener, ends.report)
        if ends.terminal is not None:
            ends.outputs[ends.terminal] = 1
        return ends

    async def _terminal(self, listener: socket.socket, report: int) -> int | None:
        """Return our side of the terminal, or None if the command was not started."""
        await readable([listener.fileno(), report])
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return None
        with connection:
            connection.settimeout(_TERMINAL_WITHIN_S)
            try:
                # The terminal's name comes along; nobody needs it.
                _, descriptors, _, _ = await asyncio.to_thread(
                    socket.recv_fds, connection, _COMPLAINT_BYTES_MAX, 1
                )
            except OSError as error:
                raise CommandError(f"no terminal came from the OCI runtime: {error}") from None
        if not descriptors:
            return None
        self._stack.callback(os.close, descriptors[0])
        os.set_blocking(descriptors[0], False)
        return descriptors[0]

    async def _start(self, streams: tuple[int, int, int], *options: str) -> _Ends:
        report, their_report = self._pipe()
        their_lifeline, lifeline = os.pipe()
        self._theirs.callback(os.close, their_lifeline)
        log = self._folder / "log"
        runtime = [self._container.runtime, "--log", str(log), "--log-format", "json", "exec"]
        pid_file = str(self._folder / "pid")
        process_file = str(self._folder / _PROCESS)
        options = ("--detach", "--pid-file", pid_file, "--process", process_file, *options)
        stdin, stdout, stderr = streams
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LAUNCHER)),
                *(str(their_report), str(their_lifeline), pid_file),
                *(*runtime, *options, self._container.id),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(their_report, their_lifeline),
                start_new_session=True,
            )
        except BaseException:
            os.close(lifeline)
            raise
        self._theirs.close()
        self._stack.push_async_callback(process.wait)
        self._stack.callback(os.close, lifeline)  # First: it ends what the rest waits for.
        return _Ends(report, log)

    def _pipe(self) -> tuple[int, int]:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        self._stack.callback(os.close, ours)
        self._theirs.callback(os.close, theirs)
        return ours, theirs

    def _null(self) -> int:
        descriptor = os.open(os.devnull, os.O_RDWR)
        self._theirs.callback(os.close, descriptor)
        return descriptor


def _describe(file: Path, bundle: Path, command: Sequence[str], terminal: Size | None) -> None:
    """Write the container's own process description with the command in its place.

    Raises:
        CommandError: The container is gone.
    """
    try:
        configuration = json.loads(Path(bundle, "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise CommandError(f"the container is not there any more: {error}") from None
    process: dict[str, Any] = dict(configuration["process"])
    process["args"] = list(command)
    process["terminal"] = terminal is not None
    process.pop("consoleSize", None)
    if terminal is not None:
        process["env"] = _with_term(process.get("env") or [])
        if terminal.columns > 0 and terminal.rows > 0:
            process["consoleSize"] = {"width": terminal.columns, "height": terminal.rows}
    file.write_text(json.dumps(process), encoding="utf-8")


def _with_term(environment: Sequence[str]) -> list[str]:
    if any(entry.startswith("TERM=") for entry in environment):
        return list(environment)
    return [*environment, "TERM=xterm"]


def _complaint(log: Path) -> str:
    """Return the last error that the runtime has logged."""
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - _COMPLAINT_BYTES_MAX, 0))
            lines = file.read(_COMPLAINT_BYTES_MAX).splitlines()
        return str(json.loads(lines[-1])["msg"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _code_of(complaint: str) -> int:
    """Return a shell's exit code for a program that the runtime did not start.

    Raises:
        CommandError: The failure is not the program's fault.
    """
    text = complaint.lower()
    if "permission denied" in text or "is a directory" in text:
        return _NOT_EXECUTABLE
    if "not found" in text or "no such file or directory" in text:
        return _NOT_FOUND
    raise CommandError(complaint or "the OCI runtime does not say why")
