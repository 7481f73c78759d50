"""A real server process on loopback, for tests that are its clients."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_STOP_S = 30


@contextlib.contextmanager
def server(
    directory: Path,
    *components: str,
    listen: str = "127.0.0.1:0",
    join_listen: str = "127.0.0.1:0",
    kill: bool = False,
) -> Iterator[Path]:
    """Run ``podraft-server`` with some components; yield its data directory.

    With ``kill`` its end is SIGKILL, without any warning.
    """
    command = [sys.executable, "-m", "podraft.server.app"]
    command += ["--components", ",".join(components or ("api",))]
    command += ["--listen", listen, "--join-listen", join_listen]
    command += ["--metrics-listen", "", "--data-dir", str(directory)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert b"ready" in line, f"the server did not start: {line!r}"
            yield directory
        finally:
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
