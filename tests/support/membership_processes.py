"""Real servers on loopback whose group grows and shrinks while they run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from podraft.api.cluster.v1 import member_pb2
from podraft.client.calls.client import Client
from support.raft_cluster import free_ports
from support.raft_processes import Server

ResultT = TypeVar("ResultT")


@dataclass
class GrowingGroup:
    """Servers by name; the first one begins alone."""

    directory: Path
    servers: dict[str, Server] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    def alone(self, name: str) -> Server:
        """Start a server that keeps the state on its own."""
        server = self.servers[name] = Server(name, self.directory / name, ())
        server.start()
        return server

    def address(self, name: str) -> str:
        if name not in self.addresses:
            self.addresses[name] = f"127.0.0.1:{free_ports(1)[0]}"
        return self.addresses[name]

    def first(self, name: str) -> Server:
        """Start a server as the first member of a group; its later starts need no arguments."""
        server = self.servers.get(name) or Server(name, self.directory / name, ())
        self.servers[name] = server
        server.arguments = (f"--member-name={name}", f"--member-address={self.address(name)}")
        server.start()
        server.arguments = ()
        return server

    def join_arguments(self, name: str, at: Server, token: str) -> tuple[str, ...]:
        return (
            f"--join=127.0.0.1:{at.join_port}",
            f"--token={token}",
            f"--member-name={name}",
            f"--member-address={self.address(name)}",
        )

    def joined(self, name: str, at: Server) -> Server:
        """Start one more server that joins the group; its later starts need no arguments."""
        token = ask(at, lambda client: client.members.add(name)).token
        server = self.servers[name] = Server(name, self.directory / name, ())
        server.arguments = self.join_arguments(name, at, token)
        server.start()
        server.arguments = ()
        return server

    def grown(self, *names: str) -> None:
        """Form a group of these members."""
        first = self.first(names[0])
        for name in names[1:]:
            self.joined(name, first)

    @property
    def running(self) -> list[Server]:
        return [server for server in self.servers.values() if server.running]

    @property
    def leader(self) -> Server:
        return max(self.running, key=lambda server: server.term_led)

    def kill_all(self) -> None:
        for server in self.servers.values():
            if server.process is not None:
                server.kill()


def ask(server: Server, call: Callable[[Client], Awaitable[ResultT]]) -> ResultT:
    """Return the answer of exactly this server, never of another in its place."""

    async def main() -> ResultT:
        async with Client(server.config(), timeout_s=30.0) as client:
            return await call(client)

    return asyncio.run(main())


def listed(server: Server) -> member_pb2.ListMembersResponse:
    return ask(server, lambda client: client.members.list())


def try_start(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected to end by itself."""
    command = [
        sys.executable,
        "-m",
        "podraft.server.app",
        f"--data-dir={data_dir}",
        "--listen=127.0.0.1:0",
        "--join-listen=127.0.0.1:0",
        "--metrics-listen=",
        "--components=api",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def member_command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``podraft member`` against ``server``."""
    command = [sys.executable, "-c", "from podraft.cli.app import main; main()", "member"]
    environment = {**os.environ, "PODRAFT_CONFIG": str(server.config_path())}
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
