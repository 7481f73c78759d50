"""One or several servers, and one agent: real processes in a network namespace of their own.

Owns: where their state is kept, and how they are started, found again and removed.
Used by `./dev up`, by the end-to-end tests and by the benchmarks; several
clusters may be up at once under different names.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from local_cluster import network, processes
from local_cluster.processes import Process
from podraft.client.calls.client import Client
from podraft.client.connecting import config as client_config
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import ApiError
from podraft.client.serving.private_files import write_private

_BIN = Path(sys.executable).parent
API_PORT, JOIN_PORT, METRICS_PORT, MEMBER_PORT = 7443, 7444, 7446, 7447
ResultT = TypeVar("ResultT")


class ClusterError(Exception):
    """The cluster did not come up; the message holds the failure and the last log lines."""


@dataclass(frozen=True)
class LocalCluster:
    """A one-node cluster, all of whose state is below ``state``.

    ``name`` names its network namespace; ``api_ports`` are the ports of the host's
    127.0.0.1 that lead to the servers' APIs, one for each server.
    """

    name: str
    state: Path
    api_ports: Sequence[int]
    node_name: str = "node-1"
    server_arguments: Sequence[str] = ()
    agent_arguments: Sequence[str] = ()
    pull_through_host: bool = False
    forwards: Sequence[tuple[int, str, int]] = field(default=())

    # ---- places ------------------------------------------------------------------

    @property
    def admin_config(self) -> Path:
        """The administrator's configuration file, with the host's addresses of the cluster."""
        return self.state / "admin.conf"

    @property
    def agent_state(self) -> Path:
        """The agent's state directory."""
        return self.state / "agent"

    @property
    def podman_socket(self) -> Path:
        """The socket of the Podman service that the agent runs."""
        return self.agent_state / "podman" / "run" / "podman.sock"

    @property
    def logs(self) -> Path:
        """The directory of the processes' output and pid files."""
        return self.state / "logs"

    @property
    def _host_namespace(self) -> str:
        return f"{self.name}-host"

    @property
    def _join_token(self) -> Path:
        return self.state / "join-token"

    # ---- processes ---------------------------------------------------------------

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers' processes, in order."""
        return tuple(
            "server" if number == 0 else f"server-{number + 1}"
            for number in range(len(self.api_ports))
        )

    def running(self, name: str) -> Process | None:
        """Return the process of a server, ``agent`` or ``forward`` if it runs, else None."""
        return processes.find(name, directory=self.logs)

    def start_server(self) -> Process:
        """Start the control plane's first server, unless it runs, and wait until it answers."""
        process = self.running("server") or self._begin_server(0, self._first_arguments())
        self._await("the API server", process, lambda: self._join_token.exists())
        self._write_admin_config()
        self._start_forward()
        # The token may be left from an earlier start.
        self._await("the API server", process, self._is_answering)
        return process

    def _is_answering(self) -> bool:
        async def ask() -> None:
            async with Client(self.config(), timeout_s=1.0, learn_servers=False) as client:
                await client.version()

        try:
            asyncio.run(ask())
        except ApiError:
            return False
        return True

    def start_servers(self) -> None:
        """Start all servers that do not run, and wait until each answers.

        The servers after the first join it when they are started for the first time.
        """
        self.start_server()
        for number in range(1, len(self.servers)):
            self._start_further_server(number)

    def _first_arguments(self) -> list[str]:
        arguments = [
            f"--advertise-address={network.NODE_ADDRESS}",
            f"--join-token-file={self._join_token}",
        ]
        return arguments if len(self.servers) == 1 else [*arguments, *self._member(0)]

    def _member(self, number: int) -> list[str]:
        address = f"{network.server_address(number)}:{MEMBER_PORT}"
        return [
            f"--member-name={self.servers[number]}",
            f"--member-address={address}",
            f"--member-listen={address}",
        ]

    def _start_further_server(self, number: int) -> None:
        name = self.servers[number]
        if self.running(name):
            return
        arguments = [
            f"--advertise-address={network.server_address(number)}",
            *self._member(number),
        ]
        admin = self.state / name / "admin.conf"
        if not admin.exists():
            token = self.state / f"{name}.token"
            write_private(token, self._member_token().encode())
            arguments += [
                f"--join={network.NODE_ADDRESS}:{JOIN_PORT}",
                f"--token-file={token}",
            ]
        process = self._begin_server(number, arguments)
        self._await(f"server {name}", process, admin.exists)

    def _member_token(self) -> str:
        command = [str(_BIN / "podraft"), f"--config={self.admin_config}", "token", "create"]
        made = subprocess.run([*command, "--member"], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise ClusterError(f"no token for one more server: {made.stderr.strip()}")
        return made.stdout

    def _begin_server(self, number: int, arguments: Sequence[str]) -> Process:
        network.create(self.name)
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        name, address = self.servers[number], network.server_address(number)
        # A lone server listens at every address of the machine, as it does by default.
        listens = "0.0.0.0" if len(self.servers) == 1 else address
        return processes.start(
            name,
            [
                str(_BIN / "podraft-server"),
                f"--data-dir={self.state / name}",
                f"--listen={listens}:{API_PORT}",
                f"--join-listen={listens}:{JOIN_PORT}",
                f"--metrics-listen=127.0.0.{1 + number}:{METRICS_PORT}",
                *arguments,
                *self.server_arguments,
            ],
            directory=self.logs,
            namespace=self.name,
        )

    def _write_admin_config(self) -> None:
        inside = client_config.load(self.state / "server" / "admin.conf")
        servers = tuple(f"127.0.0.1:{port}" for port in self.api_ports)
        content = client_config.dump(replace(inside, servers=servers))
        write_private(self.admin_config, content.encode())

    def _start_forward(self) -> Process:
        if process := self.running("forward"):
            return process
        forwards = [
            *(
                (port, network.server_address(number), API_PORT)
                for number, port in enumerate(self.api_ports)
            ),
            *self.forwards,
        ]
        return processes.start(
            "forward",
            [
                sys.executable,
                "-m",
                "local_cluster.forward",
                self.name,
                *(f"{port}={address}:{far_port}" for port, address, far_port in forwards),
            ],
            directory=self.logs,
            environment={"PYTHONPATH": str(Path(__file__).parent.parent)},
        )

    def start_agent(self) -> Process:
        """Start the node's agent, unless it runs, and wait until its Podman answers."""
        if process := self.running("agent"):
            return process
        arguments = list(self.agent_arguments)
        if self.pull_through_host:
            # Images are pulled through the host's network, as the node's own leads nowhere.
            host = network.attach_host(self._host_namespace)
            arguments.append(f"--image-network-namespace={host}")
        process = processes.start(
            "agent",
            [
                str(_BIN / "podraft-agent"),
                f"--server={network.NODE_ADDRESS}:{API_PORT}",
                f"--join-server={network.NODE_ADDRESS}:{JOIN_PORT}",
                f"--join-token-file={self._join_token}",
                f"--node-name={self.node_name}",
                f"--node-ip={network.NODE_ADDRESS}",
                f"--state-dir={self.agent_state}",
                *arguments,
            ],
            directory=self.logs,
            namespace=self.name,
        )
        self._await("the agent's Podman", process, self.podman_socket.exists)
        return process

    def config(self) -> ClusterConfig:
        """Return the administrator's configuration."""
        return client_config.load(self.admin_config)

    def down(self) -> None:
        """End and remove everything: pods, processes, namespace, state."""
        for name in ("agent", "forward", *self.servers):
            if process := self.running(name):
                process.stop()
        if self.agent_state.exists():
            subprocess.run(
                [
                    "nsenter",
                    *([f"--net=/run/netns/{self.name}"] if self._has_namespace() else ["--net"]),
                    str(_BIN / "podraft-agent"),
                    "cleanup",
                    f"--state-dir={self.agent_state}",
                ],
                check=True,
            )
        network.remove(self.name)
        network.remove(self._host_namespace)
        if self.state.exists():
            shutil.rmtree(self.state)

    def _has_namespace(self) -> bool:
        return Path("/run/netns", self.name).exists()

    def _await(
        self, what: str, process: Process, condition: Callable[[], ResultT], within_s: float = 30.0
    ) -> ResultT:
        """Wait for the condition's first true value and return it.

        Raises:
            ClusterError: The process ended or the deadline passed.
        """
        deadline = time.monotonic() + within_s
        while not (result := condition()):
            if not process.alive or time.monotonic() > deadline:
                state = "did not answer in time" if process.alive else "ended"
                words = processes.last_words(process.name, directory=self.logs)
                process.signal(signal.SIGTERM)
                raise ClusterError(f"{what} {state}; its log ends with:\n{words}")
            time.sleep(0.02)
        return result
