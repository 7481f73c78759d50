"""A real API server process and the `podraft` command against it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from local_cluster import server_process
from local_cluster.server_process import ServerProcess
from podraft.cli.app import cli


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CliServer:
    """A server on loopback, and commands that are its clients."""

    process: ServerProcess

    @property
    def config(self) -> Path:
        return self.process.config_path()

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
        """Start a command that keeps running."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )


class QuickCliServer(CliServer):
    """A server whose commands run within this process: what they import is imported once."""

    def run(self, *arguments: str, stdin: str = "", timeout_s: float = 60.0) -> Result:
        """Run a command to its end; ``timeout_s`` bounds its requests."""
        runner = CliRunner(env={"PODRAFT_CONFIG": str(self.config), "NO_COLOR": None})
        words = ["--request-timeout", f"{timeout_s:g}s", *arguments]
        done = runner.invoke(cli, words, input=stdin)
        return Result(done.exit_code, done.stdout, done.stderr)


COMMAND = (sys.executable, "-c", "from podraft.cli.app import main; main()")


@contextlib.contextmanager
def cli_server(components: str = "api") -> Iterator[CliServer]:
    """Run a server in a directory of its own until the end of the block."""
    with server_process.running(components=components) as process:
        yield CliServer(process)


@contextlib.contextmanager
def quick_cli_server(components: str = "api") -> Iterator[QuickCliServer]:
    """Run a server in a directory of its own, for commands within this process."""
    with server_process.running(components=components) as process:
        yield QuickCliServer(process)
