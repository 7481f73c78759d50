"""Three real ``podraft-server`` processes on loopback that keep the state together."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from podraft.client.config import ClusterConfig, load
from podraft.server.auth.pki import ensure_pki
from support.raft_cluster import free_ports

NAMES = ("a", "b", "c")
_LEADS = re.compile(r"this member leads in term (\d+)")


@dataclass
class Server:
    name: str
    directory: Path
    arguments: tuple[str, ...]
    port: int
    process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start; ``ready`` comes when a majority runs."""
        with (self.directory / "stderr").open("a") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "podraft.server.app", *self.arguments],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def await_ready(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert "ready" in line, f"server {self.name} said {line!r}; {self.log()[-2000:]}"

    def log(self) -> str:
        return (self.directory / "stderr").read_text()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def term_led(self) -> int:
        """The last term in which this server said that it leads, 0 if it never did."""
        terms = _LEADS.findall(self.log())
        return int(terms[-1]) if terms else 0

    def end(self, number: int) -> None:
        """Send signal ``number`` and wait for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class ServerGroup:
    directory: Path
    servers: dict[str, Server] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = free_ports(2 * len(NAMES))
        members = ",".join(f"{n}=127.0.0.1:{p}" for n, p in zip(NAMES, ports, strict=False))
        for number, name in enumerate(NAMES):
            data = self.directory / name
            port = ports[len(NAMES) + number]
            if number:
                (data / "pki").mkdir(parents=True)
                shutil.copy(self.directory / NAMES[0] / "pki" / "ca.pem", data / "pki" / "ca.pem")
            else:
                ensure_pki(data / "pki", addresses=())
            arguments = (
                f"--data-dir={data}",
                f"--listen=127.0.0.1:{port}",
                "--join-listen=127.0.0.1:0",
                "--components=api",
                "--metrics-listen=",
                f"--members={members}",
                f"--member-name={name}",
                f"--member-listen=127.0.0.1:{ports[number]}",
            )
            self.servers[name] = Server(name, data, arguments, port)

    def start(self) -> None:
        for server in self.servers.values():
            server.begin()
        for server in self.servers.values():
            server.await_ready()

    def stop(self) -> None:
        for server in self.servers.values():
            server.end(signal.SIGKILL)

    @property
    def leader(self) -> Server:
        """The running server that was the last to win an election."""
        running = [server for server in self.servers.values() if server.running]
        return max(running, key=lambda server: server.term_led)

    def config(self, name: str) -> ClusterConfig:
        server = self.servers[name]
        return replace(load(server.directory / "admin.conf"), servers=(f"127.0.0.1:{server.port}",))
