"""A real API server process and the `podraft` command against it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.waiting import eventually


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CliServer:
    """A server on loopback, and commands that are its clients."""

    config: Path
    address: str
    directory: Path

    def environment(self) -> dict[str, str]:
        return {
            **{key: value for key, value in os.environ.items() if key != "NO_COLOR"},
            "PODRAFT_CONFIG": str(self.config),
        }

    def run(self, *arguments: str, stdin: str = "", timeout_s: float = 60.0) -> Result:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=timeout_s,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed; return what it printed."""
        result = self.run(*arguments, stdin=stdin)
        assert result.code == 0, f"podraft {' '.join(arguments)}: {result}"
        return result.out

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that goes on."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )


COMMAND = (sys.executable, "-c", "from podraft.cli.app import main; main()")
_SERVER = (sys.executable, "-c", "from podraft.server.app import main; main()")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def cli_server(components: str = "api") -> Iterator[CliServer]:
    """Run a server until the end of the block, in a directory of its own."""
    directory = Path(tempfile.mkdtemp(prefix="podraft-cli-"))
    address = f"127.0.0.1:{_free_port()}"
    config = directory / "admin.conf"
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        [
            *_SERVER,
            *("--data-dir", str(directory / "data")),
            *("--listen", address),
            *("--join-listen", f"127.0.0.1:{_free_port()}"),
            *("--metrics-listen", ""),
            *("--components", components),
            *("--admin-config", str(config)),
        ],
        stdout=log,
        stderr=log,
    )
    server = CliServer(config, address, directory)
    try:
        eventually(
            lambda: config.exists() and server.run("get", "namespace", "default").code == 0,
            within_s=30,
            describe=lambda: (directory / "log").read_text()[-2000:],
        )
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(directory, ignore_errors=True)
