"""Running a short command in a container: exec probes and hooks.

The OCI runtime is called directly (a third of the cost of an exec through Podman, and
it leaves no conmon behind); without one the REST API is used.

Invariant: when the time is over, the command is killed inside the container too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podraft.agent.podman.client import PodmanClient, exec_frames

_OUTPUT_BYTES_MAX = 10 << 10


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

    async def run(
        self, container_id: str, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        """Run a command and return how it ended.

        Raises:
            CommandTimeoutError: It took too long.
            PodmanError: Podman refuses, where it is asked.
        """
        if self._runtime is None:
            return await self._through_podman(container_id, command, timeout_s)
        try:
            return await self._through_runtime(self._runtime, container_id, command, timeout_s)
        except FileNotFoundError:
            return await self._through_podman(container_id, command, timeout_s)

    async def _through_runtime(
        self, runtime: str, container_id: str, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        with tempfile.TemporaryDirectory(prefix="podraft-exec-") as folder:
            pid_file = Path(folder, "pid")
            arguments = ["exec", "--pid-file", str(pid_file), container_id, *command]
            process = await asyncio.create_subprocess_exec(
                runtime,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                async with asyncio.timeout(timeout_s):
                    output = await _read_all(process)
            except TimeoutError:
                raise CommandTimeoutError(f"command timed out after {timeout_s:g} s") from None
            finally:
                if process.returncode is None:
                    _kill_inside(pid_file)
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
        code = process.returncode if process.returncode is not None else -1
        return CommandResult(code, output)

    async def _through_podman(
        self, container_id: str, command: Sequence[str], timeout_s: float
    ) -> CommandResult:
        session = await self._podman.create_exec(container_id, command, stdin=False, tty=False)
        reader, writer = await self._podman.hijack(f"/exec/{session}/start", {"Detach": False})
        output = bytearray()

        async def read() -> None:
            async for _stream, chunk in exec_frames(reader):
                output.extend(chunk[: _OUTPUT_BYTES_MAX - len(output)])

        try:
            async with asyncio.timeout(timeout_s):
                await read()
        except TimeoutError:
            raise CommandTimeoutError(f"command timed out after {timeout_s:g} s") from None
        finally:
            writer.close()
        code = await self._podman.exec_exit_code(session)
        return CommandResult(-1 if code is None else code, output.decode(errors="replace"))


async def _read_all(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    output = bytearray()
    while chunk := await process.stdout.read(1 << 14):
        output.extend(chunk[: _OUTPUT_BYTES_MAX - len(output)])
    await process.wait()
    return output.decode(errors="replace")


def _kill_inside(pid_file: Path) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text(encoding="ascii")), signal.SIGKILL)
