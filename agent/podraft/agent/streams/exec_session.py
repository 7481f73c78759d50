"""One interactive command: between a gRPC stream and the command's own streams.

Invariant: bounded: at most one chunk is under way in each direction, so a slow reader
slows the command down instead of filling memory.  Input that the command does not want is
no failure: how the command ends is the command's to say.
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
        OSError: There are no more processes or descriptors.
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
            # However the caller's stream ended: nobody has input for the command any more.
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
        # The command reads no more.  Neither do we: what the caller goes on to send waits.
        command.close_input()


def _size(size: pod_streams_pb2.TerminalSize) -> Size:
    """Return a size that a terminal can have."""
    largest = (1 << 16) - 1
    return Size(min(max(size.columns, 0), largest), min(max(size.rows, 0), largest))
