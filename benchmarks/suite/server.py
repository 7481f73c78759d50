"""A `podraft-server` process of the benchmark's own, on free ports of loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from podraft.client import config as client_config
from podraft.client.config import ClusterConfig


@dataclass(frozen=True, slots=True)
class Server:
    """A running control plane."""

    process: psutil.Process
    config_path: Path

    @property
    def config(self) -> ClusterConfig:
        """The administrator's configuration."""
        return client_config.load(self.config_path)

    def family(self) -> list[psutil.Process]:
        """Return the server's process and its children."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Return what all its processes have used so far."""
        times = [process.cpu_times() for process in self.family()]
        return sum(t.user + t.system for t in times)

    def resident_megabytes(self) -> float:
        """Return the resident memory of all its processes in sum."""
        return sum(process.memory_info().rss for process in self.family()) / 1e6


def free_ports(count: int) -> list[int]:
    """Return ports of loopback on which nobody listens now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def server(components: str = "api") -> Iterator[Server]:
    """Run a server with an empty store; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="podraft-bench-") as directory:
        api, join = free_ports(2)
        data = Path(directory, "data")
        with Path(directory, "log").open("w+b") as log:
            child = subprocess.Popen(
                [
                    str(Path(sys.executable).parent / "podraft-server"),
                    f"--data-dir={data}",
                    f"--listen=127.0.0.1:{api}",
                    f"--join-listen=127.0.0.1:{join}",
                    f"--join-token-file={directory}/token",
                    f"--components={components}",
                    "--metrics-listen=",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                _await_ready(child, Path(directory, "token"), log.name)
                yield Server(psutil.Process(child.pid), data / "admin.conf")
            finally:
                child.terminate()
                child.wait(30)


def _await_ready(child: subprocess.Popen[bytes], token: Path, log: str) -> None:
    deadline = time.monotonic() + 30
    while not token.exists():
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {Path(log).read_text()[-2000:]}")
        time.sleep(0.01)
