"""Exec probes: the OCI runtime runs the command, in an enclosure that ends with it.

The runtime waits for every process that holds the output, so nobody waits for the runtime.

Invariant: a command has ended when its first process has, even if others still hold its output;
everything it started ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from podraft.agent.commands.enclosures import POLL_S, emptied, enclose
from podraft.agent.commands.results import OUTPUT_BYTES_MAX, CommandResult, CommandTimeoutError

_CHUNK_BYTES = 1 << 16
# A command that writes more than this is no longer read: it blocks until its time is over.
_DRAINED_BYTES_MAX = 64 << 20
_ENDING_TRIES = 100
_ENDING_PAUSE_S = 0.02


async def run(
    runtime: str, container_id: str, pid: int, command: Sequence[str], timeout_s: float
) -> CommandResult:
    """Run a command in a container whose first process is ``pid``; return how it ended.

    Raises:
        CommandTimeoutError: It took too long.
        FileNotFoundError: There is no such runtime.
    """
    enclosure = enclose(runtime, pid, container_id)
    output = _Output()
    try:
        with tempfile.TemporaryDirectory(prefix="podraft-exec-") as folder:
            pid_file = Path(folder, "pid")
            arguments = ("exec", "--pid-file", str(pid_file), *enclosure.options, container_id)
            try:
                process = await asyncio.create_subprocess_exec(
                    runtime,
                    *arguments,
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output.writing,
                    stderr=output.writing,
                )
            finally:
                output.begin()
            ended = asyncio.create_task(_first_process_ended(pid_file))
            over = asyncio.create_task(process.wait())
            try:
                done, _ = await asyncio.wait(
                    {ended, over}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    raise CommandTimeoutError(f"command timed out after {timeout_s:g} s")
            finally:
                ended.cancel()
                over.cancel()
                await _stop(process, enclosure.kill)
    finally:
        await emptied(enclosure.kill)
        output.close()
    return CommandResult(process.returncode or 0, output.text())


async def _first_process_ended(pid_file: Path) -> None:
    """Wait until the process whose number is written to a file has ended."""
    tries = 0
    while not (pid := _number_in(pid_file)):
        await asyncio.sleep(POLL_S[min(tries, len(POLL_S) - 1)])
        tries += 1
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _number_in(file: Path) -> int:
    try:
        return int(file.read_bytes() or b"0")
    except FileNotFoundError:
        return 0


async def _stop(process: asyncio.subprocess.Process, kill: Callable[[], bool]) -> None:
    """End a command, then the runtime that waits for it and reports how it ended."""
    for _ in range(_ENDING_TRIES):
        kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_PAUSE_S):
                await process.wait()
        if process.returncode is not None:
            return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


class _Output:
    """A pipe that is drained while the command runs; only the beginning is kept."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writing, True)
        self._kept = bytearray()
        self._drained = 0
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Begin to read; the command holds the other end now."""
        self._close_writing()
        self._loop.add_reader(self._reading, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._reading, _CHUNK_BYTES)
        except BlockingIOError:
            return
        self._drained += len(chunk)
        self._kept += chunk[: OUTPUT_BYTES_MAX - len(self._kept)]
        if not chunk or self._drained > _DRAINED_BYTES_MAX:
            self._loop.remove_reader(self._reading)

    def close(self) -> None:
        """Read what is there, and no more, then close the pipe."""
        self._loop.remove_reader(self._reading)
        if len(self._kept) < OUTPUT_BYTES_MAX:
            with contextlib.suppress(BlockingIOError):
                self._kept += os.read(self._reading, OUTPUT_BYTES_MAX - len(self._kept))
        os.close(self._reading)
        self._close_writing()

    def _close_writing(self) -> None:
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def text(self) -> str:
        """Return the beginning of the output as text."""
        return self._kept.decode(errors="replace")
