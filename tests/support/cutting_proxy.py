"""A TCP proxy before a server that loses answers: it cuts connections at random points.

Everything that the client sends arrives; of the server's answers, only a number of bytes. Some
connections are not cut but fall silent, like those to a machine that is gone.
"""

from __future__ import annotations

import asyncio
from random import Random


class CuttingProxy:
    """A proxy that passes each connection on until its time has come."""

    def __init__(self, address: str, random: Random, *, silent: float = 0.05) -> None:
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._random = random
        self._silent = silent
        self._connections: set[asyncio.Task[None]] = set()
        self.cut = 0
        self.silenced = 0
        # From now on nothing is cut.
        self.calm = False

    async def start(self) -> str:
        """Begin to listen; return the address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
            # The handshake alone takes some thousand bytes.
            budget = int(self._random.uniform(3_000, 9_000) * self._random.choice((1, 1, 3)))
            up = asyncio.create_task(self._pass_all(reader, far_writer))
            down = asyncio.create_task(self._pass_some(far_reader, writer, budget))
            try:
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # The other side left, or the test is ending.
        finally:
            for each in (writer, far_writer):
                if each is not None:
                    each.transport.abort()
            self._connections.discard(task)

    async def _pass_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def _pass_some(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, budget: int
    ) -> None:
        while data := await reader.read(65536):
            if budget < len(data) and not self.calm:
                writer.write(data[:budget])
                await writer.drain()
                if self._random.random() < self._silent:
                    self.silenced += 1
                    await asyncio.Event().wait()
                self.cut += 1
                return
            budget -= len(data)
            writer.write(data)
            await writer.drain()
