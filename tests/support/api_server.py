"""A real ``podraft-server`` process for tests: real TLS, real store, real ports."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from podraft.client.config import ClusterConfig, load

_READY = re.compile(r"ready: api=\S+:(\d+) join=\S+:(\d+) revision=(\d+)")


class ApiServerProcess:
    """A server in its own process; `kill` and `start` again to try what survives."""

    def __init__(self, directory: Path, arguments: Sequence[str] = ()) -> None:
        self.directory = directory
        self.data_dir = directory / "data"
        self.join_port = 0
        self.port = 0
        self.arguments = tuple(arguments)
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "podraft.server.app",
            f"--data-dir={self.data_dir}",
            f"--listen=127.0.0.1:{self.port}",
            "--join-listen=127.0.0.1:0",
            "--components=api",
            "--metrics-listen=",
            "--log-level=warning",
            *self.arguments,
        ]
        with (self.directory / "stderr").open("a") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = _READY.search(line)
        assert match, f"the server said {line!r}; {self.errors()}"
        self.port, self.join_port = int(match[1]), int(match[2])

    def errors(self) -> str:
        return (self.directory / "stderr").read_text()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._wait()

    def _wait(self) -> int:
        assert self.process is not None
        status = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return status

    def config(self, component: str = "admin") -> ClusterConfig:
        return load(self.data_dir / f"{component}.conf")


@contextmanager
def running(arguments: Sequence[str] = ()) -> Iterator[ApiServerProcess]:
    """A server that runs as long as the context; its data goes with it."""
    with tempfile.TemporaryDirectory(prefix="pt-api-") as directory:
        server = ApiServerProcess(Path(directory), arguments)
        server.start()
        try:
            yield server
        finally:
            if server.process is not None:
                server.kill()
