"""Does one user's flood starve others?  Many users who write now and then, beside one who floods.

Run: ``python benchmarks/fairness.py [--writers N] [--per-second R] [--seconds S] [--flood C]``.

Each writer is a user of their own and changes a ConfigMap of theirs, R times a second in the sum of
all; alone first, then beside a user who has C calls in flight all the time, from a process of a
lower priority.  Told are the writers' latencies, and what the flood got done.  If the writers' 99th
percentile is more than five times what it was alone, or a call of theirs failed, it ends with a
status of 1.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "devtools"))

from local_cluster.server_process import ServerProcess, running
from podraft.api.core.v1.config_pb2 import ConfigMap
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import ApiError
from suite.figures import percentile
from support.users import bind, config_of
from support.waiting import eventually

_RATIO_MAX = 5.0
_NICE = 5


async def users(server: ServerProcess, count: int) -> list[ClusterConfig]:
    """Make users who may write ConfigMaps; return the configuration of each."""
    async with Client(server.config(), timeout_s=60.0) as admin:
        made = []
        for number in range(count):
            await bind(admin, "edit", f"user-{number}", "default")
            made.append(config_of(server, f"user-{number}"))
        return made


async def write(client: Client, name: str, taken_s: list[float], failed: list[str]) -> None:
    """Change the user's ConfigMap, and note how long that took."""
    began_s = time.perf_counter()
    try:
        await client.config_maps.patch(name, {"data": {"at": str(began_s)}}, "default")
    except ApiError as error:
        failed.append(str(error))
    taken_s.append(time.perf_counter() - began_s)


async def writers(
    configs: list[ClusterConfig], per_s: float, seconds: float
) -> tuple[list[float], list[str]]:
    """Let the users write in turn for some seconds; return their latencies and failures."""
    taken_s, failed = list[float](), list[str]()
    clients = [Client(each, learn_servers=False) for each in configs]
    for number, client in enumerate(clients):
        one = ConfigMap()
        one.metadata.name, one.metadata.namespace = f"of-{number}", "default"
        try:
            await client.config_maps.create(one)
        except ApiError:
            await client.config_maps.get(f"of-{number}", "default")
    for number, client in enumerate(clients):  # Every connection is warm, and every right known.
        await write(client, f"of-{number}", [], failed)
    calls, began_s = list[asyncio.Task[None]](), time.perf_counter()
    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(began_s + number / per_s - time.perf_counter(), 0))
        who = number % len(clients)
        calls.append(asyncio.create_task(write(clients[who], f"of-{who}", taken_s, failed)))
    await asyncio.gather(*calls)
    for client in clients:
        await client.close()
    return taken_s, failed


def flood(config: ClusterConfig, at_once: int, done: Any) -> None:
    """Write as fast as the server lets one user."""
    os.nice(_NICE)

    async def one(client: Client, number: int) -> None:
        while True:
            try:
                patch = {"metadata": {"labels": {"at": str(done[0])}}}
                await client.config_maps.patch(f"flood-{number}", patch, "default")
                done[0] += 1
            except ApiError:
                done[1] += 1

    async def all_of_it() -> None:
        async with Client(config, timeout_s=5.0, learn_servers=False) as client:
            for number in range(at_once):
                made = ConfigMap()
                made.metadata.name, made.metadata.namespace = f"flood-{number}", "default"
                await client.config_maps.create(made)
            await asyncio.gather(*(one(client, number) for number in range(at_once)))

    asyncio.run(all_of_it())


def line(name: str, taken_s: list[float]) -> str:
    """Return a line of what was measured."""
    middle, high = (percentile(taken_s, each) * 1000 for each in (0.5, 0.99))
    return f"{name}: {len(taken_s)} writes, p50 {middle:.1f} ms, p99 {high:.1f} ms"


def main() -> None:
    """Measure, print, and end with a status of 1 if the flood starved the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--flood", type=int, default=120)
    given = parser.parse_args()
    with running() as server:
        configs = asyncio.run(users(server, given.writers + 1))
        alone, failed = asyncio.run(writers(configs[1:], given.per_second, given.seconds))
        print(line("alone", alone))
        spawning = multiprocessing.get_context("spawn")
        done = spawning.Array("q", 2, lock=False)
        flooding = spawning.Process(target=flood, args=(configs[0], given.flood, done), daemon=True)
        flooding.start()
        eventually(lambda: done[0] > given.flood, within_s=60)
        before = list(done)
        beside, more = asyncio.run(writers(configs[1:], given.per_second, given.seconds))
        calls, refused = (now - then for now, then in zip(done, before, strict=True))
        flooding.kill()
        print(line("beside the flood", beside))
        print(f"the flood: {calls} writes, {refused} refused")
    ratio = percentile(beside, 0.99) / percentile(alone, 0.99)
    print(f"p99 beside the flood / alone: {ratio:.1f}")
    for failure in (failed + more)[:3]:
        print("failed:", failure)
    if ratio > _RATIO_MAX or failed or more:
        sys.exit("the flood starved others")


if __name__ == "__main__":
    main()
