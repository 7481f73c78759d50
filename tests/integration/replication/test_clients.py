"""Clients of a group whose servers are restarted and killed: a pause, and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from podraft.client.client import Client
from podraft.client.config import ClusterConfig
from support.raft_processes import NAMES, Server, ServerGroup
from support.steady_load import Book, SteadyLoad
from support.waiting import eventually, eventually_async

SEED = 11


@pytest.fixture
def group(tmp_path: Path) -> Iterator[ServerGroup]:
    servers = ServerGroup(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def config_of_all(group: ServerGroup) -> ClusterConfig:
    servers = tuple(group.config(name).servers[0] for name in NAMES)
    return dataclasses.replace(group.config(NAMES[0]), servers=servers)


async def end_and_begin(server: Server, number: signal.Signals, load: SteadyLoad) -> float:
    """End a server, wait until work goes on, start it again; return the longest operation."""
    began = time.monotonic()
    await asyncio.to_thread(server.end, number)
    await load.goes_on(10)
    server.begin()
    await asyncio.to_thread(server.await_ready)
    await load.goes_on(10)
    return load.book.slowest_s(began)


async def freeze(server: Server, load: SteadyLoad) -> float:
    """Let a server hang until work goes on without it; return the longest operation."""
    began = time.monotonic()
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    await load.goes_on(10)
    server.process.send_signal(signal.SIGCONT)
    await load.goes_on(10)
    return load.book.slowest_s(began)


def lists_all(group: ServerGroup, name: str, everybody: set[str]) -> bool:
    return set(group.config(name).servers) == everybody


def test_clients_of_one_server_learn_the_others(group: ServerGroup) -> None:
    everybody = {group.config(name).servers[0] for name in NAMES}
    # What the server writes down for its administrator lists them as soon as they are known.
    for name in NAMES:
        eventually(partial(lists_all, group, name, everybody), within_s=20)
        assert group.config(name).servers[0].endswith(f":{group.servers[name].port}")

    async def main() -> None:
        first = dataclasses.replace(group.config("a"), servers=group.config("a").servers[:1])
        named: list[tuple[str, ...]] = []
        async with Client(first) as client:
            client.on_servers(named.append)
            await client.version()
            await eventually_async(lambda: set(client.servers) == everybody, within_s=20)
            assert named == [client.servers]
            await asyncio.to_thread(group.servers["a"].kill)
            assert (await client.version()).cluster_id

    asyncio.run(main())


def test_restarts_and_kills_are_only_a_pause(group: ServerGroup) -> None:
    print(f"seed {SEED}")
    random = Random(SEED)

    async def main() -> None:
        load = SteadyLoad(config_of_all(group), Book())
        await load.start()
        await load.goes_on(10)
        restarts = [
            await end_and_begin(server, signal.SIGTERM, load) for server in group.servers.values()
        ]
        kills = []
        for round_ in range(4):
            victim = (
                group.leader if round_ % 2 == 0 else random.choice(list(group.servers.values()))
            )
            kills.append(await end_and_begin(victim, signal.SIGKILL, load))
        hangs = [await freeze(server, load) for server in (group.leader, group.servers["b"])]
        await load.finish()
        done = load.book.operations.total()
        print(f"{done} operations, {load.book.reconnected} watches resumed")
        print(f"leaders: {load.book.leaders}")
        assert len(load.book.leaders) > 1
        for what, slowest in (("restart", restarts), ("kill", kills), ("hang", hangs)):
            print(f"the slowest operation at each {what}: {[round(s, 2) for s in slowest]}")
        assert max(restarts + kills + hangs) < 8.0

    asyncio.run(main())
