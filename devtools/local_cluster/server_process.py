"""One `podraft-server` on loopback, a child of the process that tests or measures it.

Owns: how it is started, found to be ready, ended, and started again.  Invariants: the
server chooses its own ports, so that two never race for one; a restarted server keeps
them, as its clients expect; every wait has a deadline.
"""

from __future__ import annotations

import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from podraft.client.connecting.config import ClusterConfig, load

_READY = re.compile(r"ready: api=\S+:(\d+) join=\S+:(\d+) ")
_START_S = 60.0
_STOP_S = 30.0


class ServerStartError(Exception):
    """The server did not become ready; the message holds the end of its log."""


class ServerProcess:
    """A server in its own process; used as a context manager, it is killed at the end.

    Its state is in ``data_dir``, its log beside that.  ``arguments`` come last, so that they
    can override the usual ones.
    """

    def __init__(
        self,
        data_dir: Path,
        arguments: Sequence[str] = (),
        *,
        components: str = "api",
    ) -> None:
        self.data_dir = data_dir
        self.arguments = tuple(arguments)
        self.components = components
        # A prefix that runs the command, for example in a network namespace.
        self.launcher: tuple[str, ...] = ()
        self.port = self.join_port = 0  # 0: the server is to choose.
        self.process: subprocess.Popen[str] | None = None
        self._log = data_dir.with_name(f"{data_dir.name}.log")

    def start(self) -> None:
        """Start the server and wait until its API, if it has one, answers.

        Raises:
            ServerStartError: The server did not become ready.
        """
        self.begin()
        try:
            if not {"api", "all"}.isdisjoint(self.components.split(",")):
                self.await_ready()
        except BaseException:
            self.kill()
            raise

    def begin(self) -> None:
        """Start the server without waiting for anything."""
        command = [
            *self.launcher,
            sys.executable,
            "-m",
            "podraft.server.app",
            f"--data-dir={self.data_dir}",
            f"--listen=127.0.0.1:{self.port}",
            f"--join-listen=127.0.0.1:{self.join_port}",
            f"--components={self.components}",
            "--metrics-listen=",
            *self.arguments,
        ]
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def await_ready(self) -> None:
        """Wait until the server answers.

        Raises:
            ServerStartError: The server did not become ready.
        """
        assert self.process is not None
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], _START_S)
        line = self.process.stdout.readline() if readable else ""
        match = _READY.search(line)
        if match is None:
            raise ServerStartError(
                f"the server said {line!r}; its log ends with:\n{self.log()[-4000:]}"
            )
        self.port, self.join_port = int(match[1]), int(match[2])

    def log(self) -> str:
        """Return the server's log, of all its starts."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """Kill the server without any warning."""
        self.end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the server to end, and return its exit status."""
        return self.end(signal.SIGTERM)

    def end(self, number: signal.Signals) -> int:
        """Send a signal that ends the server, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        status = self.process.wait(_STOP_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return status

    @property
    def address(self) -> str:
        """The address of the server's API."""
        return f"127.0.0.1:{self.port}"

    def config_path(self, component: str = "admin") -> Path:
        """Return the configuration file with which ``component`` reaches the API."""
        return self.data_dir / f"{component}.conf"

    def config(self, component: str = "admin") -> ClusterConfig:
        """Return the configuration with which ``component`` reaches the API."""
        return load(self.config_path(component))

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process is not None:
            self.kill()


@contextmanager
def running(arguments: Sequence[str] = (), *, components: str = "api") -> Iterator[ServerProcess]:
    """Run a server for the length of the context, then remove its data."""
    with (
        tempfile.TemporaryDirectory(prefix="pt-server-") as directory,
        ServerProcess(Path(directory, "data"), arguments, components=components) as server,
    ):
        yield server
