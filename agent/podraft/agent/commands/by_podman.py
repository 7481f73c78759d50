"""Hooks: Podman's API runs the command, so that it may leave something running.

Probes go the same way where the agent does not know the OCI runtime.

Invariant: a command has ended when its first process has, even if others still hold its output;
when its time is over, everything it started is ended as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from podraft.agent.commands.enclosures import POLL_S, MarkedEnclosure, emptied, enclose
from podraft.agent.commands.results import OUTPUT_BYTES_MAX, CommandResult, CommandTimeoutError
from podraft.agent.podman.client import PodmanClient, exec_frames


async def run(
    podman: PodmanClient,
    container_id: str,
    pid: int,
    command: Sequence[str],
    timeout_s: float,
    *,
    keep: bool,
) -> CommandResult:
    """Run a command in a container; with ``keep``, what it started survives if it ends in time.

    Raises:
        CommandTimeoutError: It took too long, and was ended with everything that it had started.
        PodmanError: Podman refuses.
    """
    enclosure = enclose("podman", pid, container_id)
    assert isinstance(enclosure, MarkedEnclosure)
    finish: Callable[[], bool] = enclosure.kill
    try:
        async with asyncio.timeout(timeout_s):
            result = await _session(podman, container_id, command, enclosure.variable)
        if keep:
            finish = _nothing
    except TimeoutError:
        raise CommandTimeoutError(f"command timed out after {timeout_s:g} s") from None
    finally:
        await emptied(finish)
    return result


async def _session(
    podman: PodmanClient, container_id: str, command: Sequence[str], variable: str
) -> CommandResult:
    session = await podman.create_exec(
        container_id, command, stdin=False, tty=False, environment=[variable]
    )
    reader, writer = await podman.hijack(f"/exec/{session}/start", {"Detach": False})
    output = bytearray()

    async def read() -> None:
        async for _stream, chunk in exec_frames(reader):
            output.extend(chunk[: OUTPUT_BYTES_MAX - len(output)])

    reading = asyncio.create_task(read())
    try:
        code = await _exit_code(podman, session, reading)
    finally:
        reading.cancel()
        writer.close()
    return CommandResult(code, output.decode(errors="replace"))


async def _exit_code(podman: PodmanClient, session: str, reading: asyncio.Task[None]) -> int:
    """Return the exit code as soon as there is one; the output may stay open longer."""
    tries = 0
    while True:
        pause_s = POLL_S[min(tries, len(POLL_S) - 1)]
        await asyncio.wait({reading}, timeout=pause_s)
        code = await podman.exec_exit_code(session)
        if code is not None:
            return code
        if reading.done():
            await asyncio.sleep(pause_s)
        tries += 1


def _nothing() -> bool:
    return True
