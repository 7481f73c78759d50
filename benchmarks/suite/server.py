"""A `podraft-server` process of the benchmark's own, and the resources that it uses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_cluster import server_process
from podraft.client.connecting import config as client_config
from podraft.client.connecting.config import ClusterConfig


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
        """Return the seconds of processor time that all its processes have used so far."""
        times = [process.cpu_times() for process in self.family()]
        return sum(t.user + t.system for t in times)

    def resident_megabytes(self) -> float:
        """Return the resident memory of all its processes in sum."""
        return sum(process.memory_info().rss for process in self.family()) / 1e6


@contextlib.contextmanager
def server(components: str = "api") -> Iterator[Server]:
    """Run a server with an empty store, and remove it afterwards."""
    with server_process.running(components=components) as running:
        assert running.process is not None
        yield Server(psutil.Process(running.process.pid), running.config_path())
