"""Running a short command in a container: exec probes and hooks.

For probes the OCI runtime is called directly: a third of the cost of an exec through
Podman.  It waits for whoever holds the output, however; hooks may leave something running,
so they go through the REST API, and so do probes where there is no runtime to call.

Invariant: a command has ended when its first process has, whoever still holds its output.
What a probe started ends with it; when the time of a hook is over, so does all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from podraft.agent.commands.enclosures import MarkedEnclosure, enclose
from podraft.agent.podman.client import PodmanClient, exec_frames

_log = logging.getLogger(__name__)

_OUTPUT_BYTES_MAX = 10 << 10
_CHUNK_BYTES = 1 << 16
# A command that goes on writing beyond this is left to wait: its time will be over.
_DRAINED_BYTES_MAX = 64 << 20
_ENDING_TRIES = 100
_ENDING_PAUSE_S = 0.02
_POLL_S = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended; the output is cut at 10 KiB."""

    exit_code: int
    output: str


class CommandTimeoutError(Exception):
    """The command did not end in time and was killed."""


class Commands:
    """Runs commands in running containers."""

    def __init__(self, podman: PodmanClient, runtime: str | None) -> None:
        self._podman = podman
        self._runtime = runtime

    async def probe(
        self, container_id: str, pid: int, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        """Run a command in a container, whose first process is ``pid``; return how it ended.

        Raises:
            CommandTimeoutError: It took too long.
            PodmanError: Podman refuses, where it is asked.
        """
        if self._runtime is not None:
            with contextlib.suppress(FileNotFoundError):
                return await _through_runtime(self._runtime, container_id, pid, command, timeout_s)
        return await self._through_podman(container_id, pid, command, timeout_s, keep=False)

    async def hook(
        self, container_id: str, pid: int, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        """Do the same, but let live on what the command leaves behind when it ends in time.

        Raises:
            CommandTimeoutError: It took too long.
            PodmanError: Podman refuses.
        """
        return await self._through_podman(container_id, pid, command, timeout_s, keep=True)

    async def _through_podman(
        self,
        container_id: str,
        pid: int,
        command: Sequence[str],
        timeout_s: float,
        *,
        keep: bool,
    ) -> CommandResult:
        enclosure = enclose("podman", pid, container_id)
        assert isinstance(enclosure, MarkedEnclosure)
        finish: Callable[[], bool] = enclosure.kill
        try:
            async with asyncio.timeout(timeout_s):
                result = await self._session(container_id, command, enclosure.variable)
            if keep:
                finish = _nothing
        except TimeoutError:
            raise CommandTimeoutError(f"command timed out after {timeout_s:g} s") from None
        finally:
            await _repeat(finish)
        return result

    async def _session(
        self, container_id: str, command: Sequence[str], variable: str
    ) -> CommandResult:
        session = await self._podman.create_exec(
            container_id, command, stdin=False, tty=False, environment=[variable]
        )
        reader, writer = await self._podman.hijack(f"/exec/{session}/start", {"Detach": False})
        output = bytearray()

        async def read() -> None:
            async for _stream, chunk in exec_frames(reader):
                output.extend(chunk[: _OUTPUT_BYTES_MAX - len(output)])

        reading = asyncio.create_task(read())
        try:
            code = await self._exit_code(session, reading)
        finally:
            reading.cancel()
            writer.close()
        return CommandResult(code, output.decode(errors="replace"))

    async def _exit_code(self, session: str, reading: asyncio.Task[None]) -> int:
        """Return the exit code as soon as there is one; the output may stay open for longer."""
        tries = 0
        while True:
            pause_s = _POLL_S[min(tries, len(_POLL_S) - 1)]
            await asyncio.wait({reading}, timeout=pause_s)
            code = await self._podman.exec_exit_code(session)
            if code is not None:
                return code
            if reading.done():
                await asyncio.sleep(pause_s)
            tries += 1


async def _through_runtime(
    runtime: str, container_id: str, pid: int, command: Sequence[str], timeout_s: float
) -> CommandResult:
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
        await _repeat(enclosure.kill)
        output.close()
    return CommandResult(process.returncode or 0, output.text())


async def _first_process_ended(pid_file: Path) -> None:
    """Return when the process has ended whose number is written to a file."""
    tries = 0
    while not (pid := _number_in(pid_file)):
        await asyncio.sleep(_POLL_S[min(tries, len(_POLL_S) - 1)])
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
    """End a command, then the runtime that waits for it and tells how it ended."""
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


def _nothing() -> bool:
    return True


async def _repeat(finish: Callable[[], bool]) -> None:
    for _ in range(_ENDING_TRIES):
        if finish():
            return
        await asyncio.sleep(_ENDING_PAUSE_S)
    _log.warning("processes that a probe or hook started cannot be ended")


class _Output:
    """A pipe that is emptied while the command runs; its beginning is kept."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writing, True)
        self._kept = bytearray()
        self._drained = 0
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Read; the command has the other end now."""
        self._close_writing()
        self._loop.add_reader(self._reading, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._reading, _CHUNK_BYTES)
        except BlockingIOError:
            return
        self._drained += len(chunk)
        self._kept += chunk[: _OUTPUT_BYTES_MAX - len(self._kept)]
        if not chunk or self._drained > _DRAINED_BYTES_MAX:
            self._loop.remove_reader(self._reading)

    def close(self) -> None:
        """Read what is there, and no more."""
        self._loop.remove_reader(self._reading)
        if len(self._kept) < _OUTPUT_BYTES_MAX:
            with contextlib.suppress(BlockingIOError):
                self._kept += os.read(self._reading, _OUTPUT_BYTES_MAX - len(self._kept))
        os.close(self._reading)
        self._close_writing()

    def _close_writing(self) -> None:
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def text(self) -> str:
        """Return the beginning of the output."""
        return self._kept.decode(errors="replace")
