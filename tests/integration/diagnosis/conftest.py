"""Three real servers that keep the state together, with pages of their health."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.raft_cluster import free_ports
from support.raft_processes import ServerGroup


@dataclass(frozen=True)
class Page:
    status: int
    text: str


def page(port: int, path: str) -> Page:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return Page(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, error.read().decode())


@dataclass
class WatchedGroup:
    group: ServerGroup
    ports: dict[str, int]

    def page(self, name: str, path: str) -> Page:
        return page(self.ports[name], path)

    def metrics(self, name: str) -> dict[str, float]:
        """The metrics of one server, by name and labels as they are written."""
        lines = self.page(name, "/metrics").text.splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {metric: float(value) for metric, _, value in pairs}

    @property
    def leader(self) -> str:
        return self.group.leader.name

    @property
    def followers(self) -> list[str]:
        return [name for name in self.ports if name != self.leader]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedGroup]:
    group = ServerGroup(tmp_path)
    ports = dict(zip(group.servers, free_ports(len(group.servers)), strict=True))
    for name, server in group.servers.items():
        server.arguments += (
            f"--metrics-listen=127.0.0.1:{ports[name]}",
            "--heartbeat-seconds=0.12",
            "--election-seconds=0.72",
        )
    try:
        group.start()
        yield WatchedGroup(group, ports)
    finally:
        group.stop()
