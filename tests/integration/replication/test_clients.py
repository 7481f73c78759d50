"""Clients of a group whose servers are restarted and killed: a pause, and nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import time
from collections.abc import Iterator
from functools import partial
from random import Random

import pytest

from podraft.api.kinds import CONFIG_MAP
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import UnavailableError
from support.raft_processes import NAMES, Server, ServerGroup
from support.steady_load import Book, SteadyLoad, config_map
from support.waiting import eventually, eventually_async

SEED = 11


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerGroup]:
    """Every test leaves all servers running."""
    servers = ServerGroup(tmp_path_factory.mktemp("group"))
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
        group.servers["a"].begin()
        await asyncio.to_thread(group.servers["a"].await_ready)

    asyncio.run(main())


def only(group: ServerGroup, name: str) -> ClusterConfig:
    config = group.config(name)
    return dataclasses.replace(config, servers=config.servers[:1])


def test_what_one_member_acknowledged_another_shows_at_once(group: ServerGroup) -> None:
    """It may not have applied it yet: then it waits, whatever is asked."""

    async def main() -> None:
        clients = [Client(only(group, name), learn_servers=False) for name in NAMES]
        for number in range(60):
            writer, reader = clients[number % 3], clients[(number + 1) % 3]
            made = await writer.config_maps.create(config_map(f"shown-{number}", number, "default"))
            version = made.metadata.resource_version
            if number % 4 == 0:
                watch = reader.config_maps.watch("default", resource_version=version)
                other = await writer.config_maps.create(
                    config_map(f"next-{number}", number, "default")
                )
                batch = await asyncio.wait_for(anext(watch), 10)
                assert batch[0].object == other
                await watch.aclose()  # type: ignore[attr-defined]  # A generator in fact.
            elif number % 4 == 1:
                found = await reader.config_maps.get(made.metadata.name, "default", at=version)
                assert found == made
            elif number % 4 == 2:
                assert (await reader.history.resolve(version)).revision == int(version)
                history = await reader.object_history(CONFIG_MAP, made.metadata.name, "default")
                assert [one.revision for one in history.versions] == [int(version)]
            else:
                assert await reader.config_maps.get(made.metadata.name, "default") == made
        for client in clients:
            await client.close()

    asyncio.run(main())


def test_a_member_without_the_others_tells_what_it_knows_if_that_may_be_old(
    group: ServerGroup,
) -> None:
    others = [group.servers[name] for name in NAMES[1:]]

    async def main() -> None:
        async with Client(only(group, "a"), timeout_s=4.0, learn_servers=False) as client:
            made = await client.config_maps.create(config_map("known", 1, "default"))
            signal_all(others, signal.SIGSTOP)
            try:
                began = time.monotonic()
                assert await client.stale().config_maps.get("known", "default") == made
                listed = await client.stale().config_maps.list("default")
                assert made in listed.items
                assert int(listed.resource_version) >= int(made.metadata.resource_version)
                assert time.monotonic() - began < 1.5
                with pytest.raises(UnavailableError):
                    await client.config_maps.get("known", "default")
            finally:
                signal_all(others, signal.SIGCONT)
        async with Client(only(group, "a")) as client:
            assert await client.config_maps.get("known", "default") == made

    asyncio.run(main())


def signal_all(servers: list[Server], number: signal.Signals) -> None:
    for server in servers:
        assert server.process is not None
        server.process.send_signal(number)


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
