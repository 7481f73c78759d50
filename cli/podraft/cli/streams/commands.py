"""Commands in containers whose input and output are this process's files, not its terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import IO, Final

from podraft.api.core.v1 import pod_streams_pb2
from podraft.cli.errors import CliError
from podraft.client.calls.client import Client

_CHUNK_BYTES: Final = 32 * 1024
_ERRORS_BYTES_MAX: Final = 4096


async def run_command(
    client: Client,
    place: tuple[str, str, str],
    command: Sequence[str],
    *,
    source: IO[bytes] | None = None,
    target: IO[bytes] | None = None,
) -> tuple[int, str]:
    """Run a command; return its exit code, and the beginning of what it wrote about errors.

    ``place`` is the namespace, the pod and the container; ``source`` is the command's input,
    ``target`` takes its output.

    Raises:
        CliError: The connection ended before the command did.
    """
    namespace, pod, container = place
    start = pod_streams_pb2.ExecStart(
        namespace=namespace, name=pod, container=container, command=command, stdin=bool(source)
    )
    errors = bytearray()
    async for response in client.exec_pod(_requests(start, source)):
        match response.WhichOneof("output"):
            case "stdout":
                if target is not None:
                    target.write(response.stdout)
            case "stderr":
                errors += response.stderr[: _ERRORS_BYTES_MAX - len(errors)]
            case "exit_code":
                return response.exit_code, errors.decode(errors="replace").strip()
            case _:
                continue
    raise CliError("the connection ended before the command did")


async def _requests(
    start: pod_streams_pb2.ExecStart, source: IO[bytes] | None
) -> AsyncIterator[pod_streams_pb2.ExecPodRequest]:
    yield pod_streams_pb2.ExecPodRequest(start=start)
    if source is None:
        return
    while data := source.read(_CHUNK_BYTES):
        yield pod_streams_pb2.ExecPodRequest(stdin=data)
    yield pod_streams_pb2.ExecPodRequest(stdin_closed=True)
