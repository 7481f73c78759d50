"""A process that asks small questions and measures how long the slowest answer takes.

Run as a module with a configuration file: it asks until its standard input ends, then prints the
longest time in seconds.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from podraft.client.calls.client import Client
from podraft.client.connecting.config import load


@contextmanager
def asking(config: Path) -> Iterator[list[float]]:
    """Ask during the context; afterwards the list holds the slowest answer's time in seconds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.asker", str(config)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    slowest: list[float] = []
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "asking\n"
        yield slowest
        output, _ = process.communicate(timeout=60)
        slowest.append(float(output))
    finally:
        process.kill()
        process.wait()


async def _ask(config: Path) -> None:
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    slowest = 0.0
    async with Client(load(config)) as client:
        await client.version()
        print("asking", flush=True)
        while not ended.done():
            began = time.monotonic()
            await client.version()
            slowest = max(slowest, time.monotonic() - began)
    print(slowest, flush=True)


if __name__ == "__main__":
    asyncio.run(_ask(Path(sys.argv[1])))
