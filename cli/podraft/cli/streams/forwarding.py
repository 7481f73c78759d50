"""Connections to local ports, passed on to a pod's.

Invariants: one call for one connection; at most `_CONNECTIONS_MAX` at a time; a chunk is read when
the one before it has been taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from podraft.api.core.v1.pod_streams_pb2 import ForwardPodPortRequest, ForwardStart
from podraft.cli.errors import CliError
from podraft.cli.output import printing
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError

_CHUNK_BYTES: Final = 32 * 1024
_CONNECTIONS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class PodPort:
    """A port of a pod."""

    namespace: str
    pod: str
    port: int


async def listen(
    client: Client, addresses: Sequence[str], local: int, target: PodPort
) -> list[asyncio.Server]:
    """Listen on a local port, 0 for any that is free, of each address; say where.

    Raises:
        CliError: None of the addresses can be listened on.
    """
    gate = asyncio.Semaphore(_CONNECTIONS_MAX)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        printing.say(f"Handling connection for {writer.get_extra_info('sockname')[1]}")
        async with gate:
            await _pass_on(client, target, reader, writer)

    servers: list[asyncio.Server] = []
    faults: list[str] = []
    for address in addresses:
        try:
            server = await asyncio.start_server(connected, address, local, limit=_CHUNK_BYTES)
        except OSError as error:
            faults.append(f"  {address}:{local}: {error.strerror or error}")
            continue
        servers.append(server)
        local = server.sockets[0].getsockname()[1]
        shown = f"[{address}]" if ":" in address else address
        printing.say(f"Forwarding from {shown}:{local} -> {target.port}")
    if not servers:
        raise CliError("cannot listen", *faults)
    return servers


async def _pass_on(
    client: Client, target: PodPort, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Pass a connection's bytes on until both directions have ended."""
    accepted = asyncio.Event()
    try:
        answers = client.forward_pod_port(_sent(target, reader, accepted))
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
    except ApiError as error:
        printing.say(f"Error: port {target.port} of pod/{target.pod}: {error.message}", err=True)
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
        while data := await reader.read(_CHUNK_BYTES):
            yield ForwardPodPortRequest(data=data)
    yield ForwardPodPortRequest(closed=True)


def local_addresses(texts: Sequence[str]) -> list[str]:
    """Return the addresses to listen on; ``localhost`` is both loopback addresses there are.

    Raises:
        CliError: A text is no address.
    """
    found: list[str] = []
    for text in texts:
        if text == "localhost":
            found += ["127.0.0.1", *(["::1"] if socket.has_ipv6 else [])]
            continue
        family = socket.AF_INET6 if ":" in text else socket.AF_INET
        try:
            socket.inet_pton(family, text)
        except OSError:
            raise CliError(f'--address: "{text}" is no address', exit_code=2) from None
        found.append(text)
    return list(dict.fromkeys(found))
