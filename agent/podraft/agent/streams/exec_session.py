"""One interactive command: between a gRPC stream and Podman's raw connection.

Invariant: bounded: at most one chunk is under way in each direction, so a slow reader
slows the command down instead of filling memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from podraft.agent.podman.client import PodmanClient, PodmanError, exec_frames
from podraft.api.core.v1 import pod_streams_pb2

_CHUNK_BYTES = 1 << 15
_EXIT_TRIES = 50
_EXIT_PAUSE_S = 0.02


async def run(
    podman: PodmanClient,
    container_id: str,
    start: pod_streams_pb2.ExecStart,
    requests: AsyncIterator[pod_streams_pb2.ExecPodRequest],
) -> AsyncIterator[pod_streams_pb2.ExecPodResponse]:
    """Run a command and yield its output, then its exit code.

    Raises:
        PodmanError: The command cannot be started.
    """
    session = await podman.create_exec(
        container_id, start.command, stdin=start.stdin, tty=start.tty
    )
    body: dict[str, object] = {"Detach": False, "Tty": start.tty}
    if start.tty and start.size.columns > 0 and start.size.rows > 0:
        body |= {"w": start.size.columns, "h": start.size.rows}
    reader, writer = await podman.hijack(f"/exec/{session}/start", body)
    feeding = asyncio.create_task(_feed(podman, session, writer, requests))
    try:
        if start.tty:
            while data := await reader.read(_CHUNK_BYTES):
                yield pod_streams_pb2.ExecPodResponse(stdout=data)
        else:
            async for stream, data in exec_frames(reader):
                if stream == 2:
                    yield pod_streams_pb2.ExecPodResponse(stderr=data)
                else:
                    yield pod_streams_pb2.ExecPodResponse(stdout=data)
        yield pod_streams_pb2.ExecPodResponse(exit_code=await _exit_code(podman, session))
    finally:
        feeding.cancel()
        writer.close()
        with contextlib.suppress(asyncio.CancelledError, OSError, PodmanError):
            await feeding


async def _feed(
    podman: PodmanClient,
    session: str,
    writer: asyncio.StreamWriter,
    requests: AsyncIterator[pod_streams_pb2.ExecPodRequest],
) -> None:
    async for request in requests:
        match request.WhichOneof("input"):
            case "stdin":
                writer.write(request.stdin)
                try:
                    await writer.drain()
                except OSError:
                    return  # The command has ended; its exit code is on its way.
            case "stdin_closed":
                if writer.can_write_eof():
                    writer.write_eof()
            case "resize":
                size = request.resize
                with contextlib.suppress(PodmanError):
                    await podman.resize_exec(session, size.columns, size.rows)


async def _exit_code(podman: PodmanClient, session: str) -> int:
    """Podman learns the exit code a moment after the connection ends."""
    for _ in range(_EXIT_TRIES):
        code = await podman.exec_exit_code(session)
        if code is not None:
            return code
        await asyncio.sleep(_EXIT_PAUSE_S)
    raise PodmanError(500, "podman does not tell the exit code of the command")
