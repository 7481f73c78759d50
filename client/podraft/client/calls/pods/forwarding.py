"""Connections to a local port, passed on to a pod's.

Invariants: one call for one connection; at most `CONNECTIONS_MAX` at a time; a chunk is read when
the one before it has been taken; when the forwarding ends, so do its connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

from podraft.api.core.v1.pod_streams_pb2 import (
    ForwardPodPortRequest,
    ForwardPodPortResponse,
    ForwardStart,
)
from podraft.client.errors import ApiError

CHUNK_BYTES: Final = 32 * 1024
CONNECTIONS_MAX: Final = 128
Converse: TypeAlias = Callable[
    [AsyncIterator[ForwardPodPortRequest]], AsyncGenerator[ForwardPodPortResponse, None]
]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PodPort:
    """A port of a pod."""

    namespace: str
    pod: str
    port: int


async def pass_on(
    converse: Converse, target: PodPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Pass a connection's bytes on until both directions have ended.

    Raises:
        ApiError: The pod's port cannot be reached, or the connection to it broke.
    """
    accepted = asyncio.Event()
    try:
        answers = converse(_sent(target, reader, accepted))
        async with contextlib.aclosing(answers):
            async for answer in answers:
                match answer.WhichOneof("output"):
                    case "data":
                        writer.write(answer.data)
                        await writer.drain()
                    case "closed":
                        writer.write_eof()
                    case _:
                        accepted.set()
    except OSError:
        pass  # Whoever had connected here went away.
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _sent(
    target: PodPort, reader: asyncio.StreamReader, accepted: asyncio.Event
) -> AsyncIterator[ForwardPodPortRequest]:
    start = ForwardStart(namespace=target.namespace, name=target.pod, port=target.port)
    yield ForwardPodPortRequest(start=start)
    # gRPC hides the reason of a call that fails while something is still on its way.
    await accepted.wait()
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            yield ForwardPodPortRequest(data=data)
    yield ForwardPodPortRequest(closed=True)


class PortForward:
    """A local port that leads to a pod's within its ``async with`` block.

    A connection that fails is closed, and a warning with the reason logged.
    """

    def __init__(
        self, converse: Converse, target: PodPort, local_port: int, local_address: str
    ) -> None:
        self.port = local_port
        self.address = local_address
        self._converse = converse
        self._target = target
        self._gate = asyncio.Semaphore(CONNECTIONS_MAX)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: The local port cannot be listened on.
        """
        self._server = await asyncio.start_server(
            self._connected, self.address, self.port, limit=CHUNK_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.get_running_loop().create_task(self._pass_on(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with self._gate:
                await pass_on(self._converse, self._target, reader, writer)
        except ApiError as error:
            _LOG.warning("port %d of pod %s: %s", self._target.port, self._target.pod, error)
        finally:
            writer.close()
