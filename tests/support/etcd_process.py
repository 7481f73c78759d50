"""A real etcd process on loopback, for tests of the store on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.waiting import eventually

MISSING = "etcd is not installed (Debian: etcd-server)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EtcdProcess:
    """An etcd process; `kill` it and `start` it again to see how clients cope."""

    def __init__(
        self, directory: Path, arguments: Sequence[str] = (), scheme: str = "http"
    ) -> None:
        self.directory = directory
        self.scheme = scheme
        self.port, self.peer_port, self.health_port = free_port(), free_port(), free_port()
        self.arguments = tuple(arguments)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self.spawn()
        eventually(self._healthy, within_s=30, describe=self.log)

    def spawn(self) -> None:
        client = f"{self.scheme}://127.0.0.1:{self.port}"
        peer = f"http://127.0.0.1:{self.peer_port}"
        command = ["etcd", "--name=only", f"--data-dir={self.directory / 'etcd'}"]
        command += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        command += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        command += [f"--initial-cluster=only={peer}", "--log-level=error"]
        # The health check does without TLS, whatever clients must use.
        command += [f"--listen-metrics-urls=http://127.0.0.1:{self.health_port}"]
        # A single member needs no other's vote: a short timeout only makes it start sooner.
        command += ["--heartbeat-interval=10", "--election-timeout=50", *self.arguments]
        with (self.directory / "etcd.log").open("ab") as log:
            environment = {**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def log(self) -> str:
        return (self.directory / "etcd.log").read_text(errors="replace")[-2000:]

    def _healthy(self) -> bool:
        try:
            address = f"http://127.0.0.1:{self.health_port}/health"
            with urllib.request.urlopen(address, timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None


@contextmanager
def running(arguments: Sequence[str] = (), scheme: str = "http") -> Iterator[EtcdProcess]:
    """Run an etcd for the length of a context; its data is removed with it."""
    if shutil.which("etcd") is None:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="pt-etcd-") as directory:
        etcd = EtcdProcess(Path(directory), arguments, scheme)
        try:
            etcd.start()
            yield etcd
        finally:
            etcd.kill()


@contextmanager
def running_cluster(size: int = 3, directory: str | None = None) -> Iterator[list[EtcdProcess]]:
    """Run the members of one etcd cluster; their data is below ``directory``, removed with them."""
    if shutil.which("etcd") is None:
        pytest.skip(MISSING)
    with tempfile.TemporaryDirectory(prefix="pt-etcd-", dir=directory) as data:
        members = [EtcdProcess(Path(data) / str(number)) for number in range(size)]
        peers = [f"m{n}=http://127.0.0.1:{m.peer_port}" for n, m in enumerate(members)]
        try:
            for number, member in enumerate(members):
                member.directory.mkdir()
                member.arguments = (
                    f"--name=m{number}",
                    f"--initial-cluster={','.join(peers)}",
                    "--heartbeat-interval=50",
                    "--election-timeout=500",
                )
                member.spawn()
            for member in members:
                eventually(member._healthy, within_s=30, describe=member.log)
            yield members
        finally:
            for member in members:
                member.kill()
