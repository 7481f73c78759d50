"""Three real ``podraft-server`` processes on loopback that keep the state together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_cluster.server_process import ServerProcess
from podraft.client.connecting.config import ClusterConfig
from podraft.server.auth.pki import ensure_pki
from support.raft_cluster import free_ports

NAMES = ("a", "b", "c")
_LEADS = re.compile(r"this member leads in term (\d+)")


class Server(ServerProcess):
    """A member; it is ready when a majority runs."""

    def __init__(self, name: str, data_dir: Path, arguments: Sequence[str]) -> None:
        super().__init__(data_dir, arguments)
        self.name = name

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def term_led(self) -> int:
        """The last term in which this server reported that it leads, or 0 if it never did."""
        terms = _LEADS.findall(self.log())
        return int(terms[-1]) if terms else 0


@dataclass
class ServerGroup:
    directory: Path
    servers: dict[str, Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = free_ports(len(NAMES))
        members = ",".join(f"{n}=127.0.0.1:{p}" for n, p in zip(NAMES, ports, strict=True))
        for number, name in enumerate(NAMES):
            data = self.directory / name
            if number:
                (data / "pki").mkdir(parents=True)
                shutil.copy(self.directory / NAMES[0] / "pki" / "ca.pem", data / "pki" / "ca.pem")
            else:
                ensure_pki(data / "pki", addresses=())
            arguments = (
                f"--members={members}",
                f"--member-name={name}",
                f"--member-listen=127.0.0.1:{ports[number]}",
            )
            self.servers[name] = Server(name, data, arguments)

    def start(self) -> None:
        for server in self.servers.values():
            server.begin()
        for server in self.servers.values():
            server.await_ready()

    def stop(self) -> None:
        for server in self.servers.values():
            if server.process is not None:
                server.kill()

    @property
    def leader(self) -> Server:
        """The running server that was the last to win an election."""
        running = [server for server in self.servers.values() if server.running]
        return max(running, key=lambda server: server.term_led)

    def config(self, name: str) -> ClusterConfig:
        return self.servers[name].config()
