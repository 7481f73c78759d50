"""Exec probes by the OCI runtime: a stand-in for it, real processes."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from podraft.agent.commands.by_runtime import run
from podraft.agent.commands.results import OUTPUT_BYTES_MAX, CommandTimeoutError

# As runc: writes the number of the command's first process, waits for it and for its output.
RUNTIME = """#!{python} -S
import ctypes, signal, subprocess, sys
words = sys.argv[sys.argv.index("the-container") + 1:]
process = subprocess.Popen(
    words,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL),  # It ends with its parent.
)
with open(sys.argv[sys.argv.index("--pid-file") + 1], "w") as file:
    file.write(str(process.pid))
for line in process.stdout:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.exit(process.wait())
"""


@pytest.fixture
def runtime(tmp_path: Path) -> str:
    path = tmp_path / "runtime"
    path.write_text(RUNTIME.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def _run(runtime: str, script: str, timeout_s: float = 20.0):
    return asyncio.run(run(runtime, "the-container", 0, ["sh", "-c", script], timeout_s))


def test_the_code_and_the_output_are_the_commands(runtime: str) -> None:
    result = _run(runtime, "echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.output) == (3, "out\nerr\n")


def test_of_much_output_the_beginning_is_kept(runtime: str) -> None:
    result = _run(runtime, "head -c 3000000 /dev/zero | tr '\\0' x")
    assert result.exit_code == 0
    assert result.output == "x" * OUTPUT_BYTES_MAX


def test_a_command_that_takes_too_long_is_ended(runtime: str) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeoutError, match=r"after 0\.5 s"):
        _run(runtime, "exec sleep 600", timeout_s=0.5)
    assert time.monotonic() - began < 60


def test_a_runtime_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _run(str(tmp_path / "absent"), "true")
