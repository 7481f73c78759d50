"""Commands beside their launcher, with real processes and a stand-in for the OCI runtime."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from podraft.agent.commands import container_command
from podraft.agent.commands.container_command import CommandError, RunningContainer
from support.waiting import eventually_async

# Does what ``runc exec --detach --pid-file FILE --process FILE ID`` does, without a container.
RUNTIME = """#!{python}
import json, os, sys
words = sys.argv
process = json.load(open(words[words.index("--process") + 1]))
if process["args"][0] == "absent":
    log = open(words[words.index("--log") + 1], "w")
    log.write(json.dumps({{"msg": 'exec: "absent": executable file not found in $PATH'}}) + "\\n")
    sys.exit(255)
if process["args"][0] == "refused":
    sys.exit(1)
pid = os.fork()
if pid:
    open(words[words.index("--pid-file") + 1], "w").write(str(pid))
    os._exit(0)
os.setsid()
os.execvp(process["args"][0], process["args"])
"""


@pytest.fixture
def container(tmp_path: Path) -> RunningContainer:
    runtime = tmp_path / "runtime"
    runtime.write_text(RUNTIME.format(python=sys.executable))
    runtime.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"process": {"args": ["init"], "env": []}}))
    return RunningContainer("c", str(runtime), tmp_path)


async def ended(container: RunningContainer, *words: str, stdin: bytes | None) -> tuple[bytes, int]:
    """Return what a command wrote and how it ended; its input never ends."""
    async with (
        asyncio.timeout(20),
        container_command.running(
            container, words, stdin=stdin is not None, terminal=None
        ) as command,
    ):
        feeding = asyncio.create_task(command.write(stdin or b""))
        output = b"".join([data async for _, data in command.output()])
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        return output, command.exit_code()


@pytest.mark.parametrize("stdin", [None, b"", os.urandom(1_000_000)])
def test_the_exit_code_is_the_commands_whatever_becomes_of_its_input(
    container: RunningContainer, stdin: bytes | None
) -> None:
    async def main() -> None:
        for script, output, code in (
            ("exit 37", b"", 37),
            ("exec <&-; sleep 0.1; echo late; exit 4", b"late\n", 4),
            ("echo one; sleep 60 & exit 6", b"one\n", 6),
            ("kill -9 $$", b"", 137),
        ):
            assert await ended(container, "sh", "-c", script, stdin=stdin) == (output, code)

    asyncio.run(main())


def test_a_program_that_is_not_there_has_a_shells_exit_code(container: RunningContainer) -> None:
    async def main() -> None:
        assert await ended(container, "absent", stdin=None) == (b"", 127)
        with pytest.raises(CommandError):
            await ended(container, "refused", stdin=None)

    asyncio.run(main())


def test_who_leaves_takes_the_command_along(container: RunningContainer, tmp_path: Path) -> None:
    told = tmp_path / "told"

    async def main() -> None:
        script = f"sleep 600 & echo $! > {told}.new; mv {told}.new {told}; sleep 600"
        leaving = asyncio.create_task(ended(container, "sh", "-c", script, stdin=None))
        await eventually_async(told.exists)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        started = int(told.read_text())
        await eventually_async(lambda: not _runs(started))

    asyncio.run(main())


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
