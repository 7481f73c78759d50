"""A command in a container, connected to this process's terminal.

Invariant: however the command ends, the terminal's settings are restored.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import termios
import threading
import tty as ttys
from collections.abc import AsyncIterator, Iterator

from podraft.api.core.v1 import pod_streams_pb2
from podraft.cli.errors import CliError
from podraft.cli.output import printing
from podraft.cli.streams import standard_streams
from podraft.cli.streams.container_output import ContainerOutput
from podraft.cli.streams.standard_streams import read_stdin, write_stderr, write_stdout
from podraft.client.calls.client import Client

# The number of unsent pieces of input at which no more is read.
_CHUNKS_MAX = 64


class Execution:
    """A command whose input and output are this process's."""

    def __init__(self, client: Client, *, with_stdin: bool, tty: bool) -> None:
        self._client = client
        self._with_stdin = with_stdin
        self._tty = tty
        self._requests: asyncio.Queue[pod_streams_pb2.ExecPodRequest] = asyncio.Queue()
        self._room = threading.Semaphore(_CHUNKS_MAX)

    async def run(self, namespace: str, name: str, container: str, command: list[str]) -> int:
        """Run the command and return its exit code."""
        start = pod_streams_pb2.ExecStart(
            namespace=namespace,
            name=name,
            container=container,
            command=command,
            stdin=self._with_stdin,
            tty=self._tty,
        )
        if self._tty:
            start.size.CopyFrom(_terminal_size())
        self._requests.put_nowait(pod_streams_pb2.ExecPodRequest(start=start))
        with _raw_terminal() if self._tty and self._with_stdin else contextlib.nullcontext():
            if self._with_stdin:
                self._read_stdin()
            if self._tty:
                loop = asyncio.get_running_loop()
                loop.add_signal_handler(signal.SIGWINCH, self._resize)
            return await self._receive()

    async def _receive(self) -> int:
        # A command with a terminal may do what it likes with ours: the user gave it away.
        to_terminal = not self._tty and printing.stdout_is_terminal()
        stdout = ContainerOutput(write_stdout, to_terminal=to_terminal)
        to_terminal = not self._tty and printing.stderr_is_terminal()
        stderr = ContainerOutput(write_stderr, to_terminal=to_terminal)
        async for response in self._client.exec_pod(self._sent()):
            match response.WhichOneof("output"):
                case "stdout":
                    stdout.write(response.stdout)
                case "stderr":
                    stderr.write(response.stderr)
                case "exit_code":
                    stdout.finish()
                    stderr.finish()
                    return response.exit_code
                case _:
                    continue
        raise CliError("the connection ended before the command did; its exit code is unknown")

    async def _sent(self) -> AsyncIterator[pod_streams_pb2.ExecPodRequest]:
        while True:
            request = await self._requests.get()
            yield request
            if request.HasField("stdin"):
                self._room.release()

    def _resize(self) -> None:
        self._requests.put_nowait(pod_streams_pb2.ExecPodRequest(resize=_terminal_size()))

    def _read_stdin(self) -> None:
        loop = asyncio.get_running_loop()

        def read() -> None:
            data = b"more"
            while data:
                self._room.acquire()
                data = read_stdin()
                request = pod_streams_pb2.ExecPodRequest(stdin=data)
                if not data:
                    request = pod_streams_pb2.ExecPodRequest(stdin_closed=True)
                try:
                    loop.call_soon_threadsafe(self._requests.put_nowait, request)
                except RuntimeError:
                    return  # The command has ended; later input belongs to nobody.

        # A daemon thread: when the command ends, neither a wait for typed input nor one for
        # a command that does not read can be interrupted.
        threading.Thread(target=read, daemon=True, name="stdin").start()


def _terminal_size() -> pod_streams_pb2.TerminalSize:
    size = standard_streams.terminal_size()
    return pod_streams_pb2.TerminalSize(columns=size.columns, rows=size.lines)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    ttys.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
