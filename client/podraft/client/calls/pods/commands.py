"""Commands in containers whose input and output are bytes or files, not terminals.

Invariants: input is read when the piece before it has been sent; output that is returned is
bounded.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import IO, Final

import grpc

from podraft.api.core.v1.pod_streams_pb2 import ExecPodRequest, ExecPodResponse, ExecStart
from podraft.client.errors import UnavailableError

_CHUNK_BYTES: Final = 32 * 1024
Converse = Callable[[AsyncIterator[ExecPodRequest]], AsyncIterator[ExecPodResponse]]


@dataclass(frozen=True, slots=True)
class ExecResult:
    """The end of a command: its exit code, and the beginning of what it wrote.

    ``truncated`` says that it wrote more than was to be kept.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    truncated: bool


class _Kept:
    """The beginning of an output."""

    def __init__(self, bytes_max: int) -> None:
        self.data = bytearray()
        self.truncated = False
        self._bytes_max = bytes_max

    def write(self, data: bytes) -> None:
        room = self._bytes_max - len(self.data)
        self.truncated = self.truncated or len(data) > room
        self.data += data[:room]


async def run(
    converse: Converse,
    start: ExecStart,
    stdin: bytes | IO[bytes] | None,
    stdout: IO[bytes] | None,
    output_bytes_max: int,
) -> ExecResult:
    """Run a command to its end; ``stdout`` takes its output, which is else kept.

    Raises:
        UnavailableError: The connection ended before the command did.
    """
    source = io.BytesIO(stdin) if isinstance(stdin, bytes) else stdin
    kept, errors = _Kept(output_bytes_max), _Kept(output_bytes_max)
    async for response in converse(_requests(start, source)):
        match response.WhichOneof("output"):
            case "stdout" if stdout is not None:
                await asyncio.to_thread(stdout.write, response.stdout)
            case "stdout":
                kept.write(response.stdout)
            case "stderr":
                errors.write(response.stderr)
            case "exit_code":
                truncated = kept.truncated or errors.truncated
                return ExecResult(
                    response.exit_code, bytes(kept.data), bytes(errors.data), truncated
                )
            case _:
                continue
    raise UnavailableError(
        grpc.StatusCode.UNAVAILABLE,
        "the connection ended before the command did; its exit code is unknown",
    )


async def _requests(start: ExecStart, source: IO[bytes] | None) -> AsyncIterator[ExecPodRequest]:
    yield ExecPodRequest(start=start)
    if source is None:
        return
    while data := await asyncio.to_thread(source.read, _CHUNK_BYTES):
        yield ExecPodRequest(stdin=data)
    yield ExecPodRequest(stdin_closed=True)
