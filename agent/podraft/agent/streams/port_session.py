"""One forwarded connection: between a gRPC stream and a pod's socket.

Invariant: at most one chunk is under way in each direction, so a slow reader slows the other end
down instead of filling memory; each direction ends by itself, as TCP's do.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

from podraft.api.core.v1.pod_streams_pb2 import ForwardPodPortRequest, ForwardPodPortResponse

_CHUNK_BYTES: Final = 32 * 1024


async def run(
    connection: socket.socket, requests: AsyncIterator[ForwardPodPortRequest]
) -> AsyncIterator[ForwardPodPortResponse]:
    """Pass bytes on in both directions until both have ended; the socket is closed then.

    Raises:
        OSError: The pod has broken the connection.
    """
    connection.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=connection, limit=_CHUNK_BYTES)
    feeding = asyncio.create_task(_feed(writer, requests))
    try:
        yield ForwardPodPortResponse(connected=True)
        while data := await reader.read(_CHUNK_BYTES):
            yield ForwardPodPortResponse(data=data)
        yield ForwardPodPortResponse(closed=True)
        await feeding
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _feed(
    writer: asyncio.StreamWriter, requests: AsyncIterator[ForwardPodPortRequest]
) -> None:
    """Write what the caller sends, until it sends no more or the pod takes no more."""
    with contextlib.suppress(OSError):
        async for request in requests:
            if request.WhichOneof("input") == "closed":
                break
            writer.write(request.data)
            await writer.drain()
        writer.write_eof()
