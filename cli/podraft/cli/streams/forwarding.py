"""Local ports whose connections the SDK passes on to a pod's, and what is said of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from podraft.cli.errors import CliError
from podraft.cli.output import printing
from podraft.client.calls.client import Client
from podraft.client.calls.pods.forwarding import CHUNK_BYTES, CONNECTIONS_MAX, PodPort, pass_on
from podraft.client.errors import ApiError


async def listen(
    client: Client, addresses: Sequence[str], local: int, target: PodPort
) -> list[asyncio.Server]:
    """Listen on a local port, 0 for any that is free, of each address; say where.

    Raises:
        CliError: None of the addresses can be listened on.
    """
    gate = asyncio.Semaphore(CONNECTIONS_MAX)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        printing.say(f"Handling connection for {writer.get_extra_info('sockname')[1]}")
        async with gate:
            try:
                await pass_on(client.forward_pod_port, target, reader, writer)
            except ApiError as error:
                where = f"port {target.port} of pod/{target.pod}"
                printing.say(f"Error: {where}: {error.message}", err=True)

    servers: list[asyncio.Server] = []
    faults: list[str] = []
    for address in addresses:
        try:
            server = await asyncio.start_server(connected, address, local, limit=CHUNK_BYTES)
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
