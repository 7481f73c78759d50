"""Forwarding TCP from 127.0.0.1 on the host into the cluster's network namespace.

A socket belongs to the namespace in which it was made: this process listens
first, then enters the namespace and connects from there.  Therefore no interface,
route or rule of the host changes.

usage: python -m local_cluster.forward NAMESPACE PORT=ADDRESS:PORT…
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_CONNECTIONS_MAX = 1024


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


class Forwarder:
    """A forwarder of one listening socket's connections to one address."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address
        self._port = port
        self._slots = asyncio.Semaphore(_CONNECTIONS_MAX)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until both sides have ended it."""
        async with self._slots:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(self._address, self._port)
                try:
                    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
                finally:
                    far_writer.close()
            writer.close()


def _enter_network_namespace(name: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(Path("/run/netns", name), os.O_RDONLY)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"cannot enter the network namespace {name}: {os.strerror(error)}")
    finally:
        os.close(descriptor)


async def _run(namespace: str, forwards: list[tuple[int, str, int]]) -> None:
    listeners = [
        (socket.create_server(("127.0.0.1", port)), address, far_port)
        for port, address, far_port in forwards
    ]
    _enter_network_namespace(namespace)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    servers = [
        await asyncio.start_server(Forwarder(address, port).serve, sock=listener)
        for listener, address, port in listeners
    ]
    await ended.wait()
    for server in servers:
        server.close()


def main() -> None:
    """Forward until SIGTERM."""
    namespace, *texts = sys.argv[1:]
    forwards = []
    for text in texts:
        port, _, target = text.partition("=")
        address, _, far_port = target.rpartition(":")
        forwards.append((int(port), address, int(far_port)))
    asyncio.run(_run(namespace, forwards))


if __name__ == "__main__":
    main()
