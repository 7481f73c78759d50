"""One interactive command: between a gRPC stream and the command's own streams.

Invariant: at most one chunk is under way in each direction, so a slow reader slows the command
down instead of filling memory. Input that the command does not want is not a failure: only the
command itself decides how it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from podraft.agent.commands import container_command
from podraft.agent.commands.container_command import ContainerCommand, RunningContainer, Size
from podraft.api.core.v1 import pod_streams_pb2


async def run(
    container: RunningContainer,
    start: pod_streams_pb2.ExecStart,
    requests: AsyncIterator[pod_streams_pb2.ExecPodRequest],
) -> AsyncIterator[pod_streams_pb2.ExecPodResponse]:
    """Run a command and yield its output, then its exit code.

    Raises:
        CommandError: The command cannot be started.
        OSError: No more processes or descriptors are available.
    """
    terminal = _size(start.size) if start.tty else None
    async with container_command.running(
        container, start.command, stdin=start.stdin, terminal=terminal
    ) as command:
        feeding = asyncio.create_task(_feed(command, requests))
        try:
            async for stream, data in command.output():
                if stream == 1:
                    yield pod_streams_pb2.ExecPodResponse(stdout=data)
                else:
                    yield pod_streams_pb2.ExecPodResponse(stderr=data)
            yield pod_streams_pb2.ExecPodResponse(exit_code=command.exit_code())
        finally:
            feeding.cancel()
            # However the caller's stream ended, there is no more input for the command.
            await asyncio.gather(feeding, return_exceptions=True)


async def _feed(
    command: ContainerCommand, requests: AsyncIterator[pod_streams_pb2.ExecPodRequest]
) -> None:
    try:
        async for request in requests:
            match request.WhichOneof("input"):
                case "stdin":
                    await command.write(request.stdin)
                case "stdin_closed":
                    command.close_input()
                case "resize":
                    command.resize(_size(request.resize))
    except OSError:
        # The command no longer reads. Neither do we: further input from the caller waits.
        command.close_input()


def _size(size: pod_streams_pb2.TerminalSize) -> Size:
    """Return a size that a terminal can have."""
    largest = (1 << 16) - 1
    return Size(min(max(size.columns, 0), largest), min(max(size.rows, 0), largest))
