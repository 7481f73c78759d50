"""Looking at processes: what a process may call itself is bytes."""

from __future__ import annotations

import subprocess
import sys

from podraft.agent.pods.lifecycle.exits import is_alive

_NAMED = "open('/proc/self/comm', 'wb').write(b'\\xff) Z \\xfe'); print(flush=True); input()"


def test_a_process_with_any_name_is_seen_alive_until_it_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _NAMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert is_alive(process.pid, "")
        assert not is_alive(process.pid, "another-container")
        process.communicate(b"\n")
    assert not is_alive(process.pid, "")
