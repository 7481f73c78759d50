"""Real servers, killed while clients write: nothing is lost, nothing comes from nowhere."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest

from podraft.api.cluster.v1 import member_pb2
from podraft.api.core.v1 import config_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import AlreadyExistsError, ApiError
from support.raft_processes import NAMES, ServerGroup
from support.waiting import eventually_async

SEED = 7
WRITERS = 6


@pytest.fixture
def group(tmp_path: Path) -> Iterator[ServerGroup]:
    servers = ServerGroup(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


class Book:
    """What the writers know."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.tried: set[str] = set()
        self.acknowledged_s: list[float] = []


def reached(writers: list[asyncio.Task[None]], book: Book, count: int) -> bool:
    for writer in writers:
        if writer.done():
            writer.result()
    return len(book.acknowledged) >= count


def config_map(name: str) -> config_pb2.ConfigMap:
    sent = config_pb2.ConfigMap(data={"k": name})
    sent.metadata.name, sent.metadata.namespace = name, "default"
    return sent


async def write(group: ServerGroup, writer: int, book: Book, stop: asyncio.Event) -> None:
    """Create unique objects, one after the other, at whichever server answers."""
    random = Random(SEED * 100 + writer)
    clients = {name: Client(group.config(name)) for name in NAMES}
    chosen = random.choice(NAMES)
    number = 0
    while not stop.is_set():
        number += 1
        name = f"w{writer}-{number}"
        book.tried.add(name)
        try:
            async with asyncio.timeout(1.5):
                await clients[chosen].config_maps.create(config_map(name))
        except AlreadyExistsError:
            raise AssertionError(f"{name} was created twice") from None
        except (ApiError, TimeoutError):
            # Unknown: the next object, another server.
            chosen = random.choice(NAMES)
            await asyncio.sleep(0.02)
            continue
        book.acknowledged.add(name)
        book.acknowledged_s.append(time.monotonic())
    for client in clients.values():
        await client.close()


async def names_at(group: ServerGroup, server: str) -> dict[str, str]:
    async with Client(group.config(server)) as client:
        listed = await client.config_maps.list("default")
    return {item.metadata.name: item.data["k"] for item in listed.items}


def longest_pause_s(times: list[float], start: float, end: float) -> float:
    inside = [start, *(t for t in sorted(times) if start <= t <= end)]
    return max((b - a for a, b in itertools.pairwise(inside)), default=end - start)


def test_killed_servers_lose_nothing_and_invent_nothing(group: ServerGroup) -> None:
    print(f"seed {SEED}")
    random = Random(SEED)
    pauses: list[float] = []

    async def main() -> None:
        book, stop = Book(), asyncio.Event()
        writers = [asyncio.create_task(write(group, n, book, stop)) for n in range(WRITERS)]

        for round_ in range(6):
            target = len(book.acknowledged) + 100
            await eventually_async(partial(reached, writers, book, target), within_s=30)
            leader = group.leader
            victim = leader if round_ % 2 == 0 else random.choice(list(group.servers.values()))
            killed = time.monotonic()
            await asyncio.to_thread(victim.end, signal.SIGKILL)
            target = len(book.acknowledged) + 100
            await eventually_async(partial(reached, writers, book, target), within_s=30)
            if victim is leader:
                pauses.append(longest_pause_s(book.acknowledged_s, killed, time.monotonic()))
            victim.begin()
            await asyncio.to_thread(victim.await_ready)
        stop.set()
        await asyncio.gather(*writers)
        for name in NAMES:
            found = await names_at(group, name)
            assert book.acknowledged <= set(found), "acknowledged, and lost"
            assert set(found) <= book.tried, "nobody wrote this"
            assert all(found[key] == key for key in found)

    asyncio.run(main())
    print(f"pauses after the leader's death: {[round(pause, 2) for pause in pauses]}")
    assert max(pauses) < 5.0


def test_a_leader_that_hangs_is_replaced_and_what_it_then_says_is_not_believed(
    group: ServerGroup,
) -> None:
    async def main() -> None:
        book, stop = Book(), asyncio.Event()
        writers = [asyncio.create_task(write(group, n, book, stop)) for n in range(WRITERS)]
        for _ in range(3):
            hung = group.leader
            assert hung.process is not None
            hung.process.send_signal(signal.SIGSTOP)
            target = len(book.acknowledged) + 100
            await eventually_async(partial(reached, writers, book, target), within_s=30)
            hung.process.send_signal(signal.SIGCONT)
            # Linearizable: the one that slept does not answer with what it knew.
            known = set(book.acknowledged)
            assert known <= set(await names_at(group, hung.name))
            target = len(book.acknowledged) + 50
            await eventually_async(partial(reached, writers, book, target), within_s=30)
        stop.set()
        await asyncio.gather(*writers)
        for name in NAMES:
            found = set(await names_at(group, name))
            assert book.acknowledged <= found <= book.tried

    asyncio.run(main())


def test_every_member_lists_all_and_only_the_leader_knows_what_the_others_lack(
    group: ServerGroup,
) -> None:
    async def listed(server: str) -> member_pb2.ListMembersResponse:
        async with Client(group.config(server)) as client:
            return await client.members.list()

    async def main() -> None:
        for server in NAMES:
            seen = await listed(server)
            assert seen.mode == member_pb2.STORE_MODE_GROUP
            assert [member.name for member in seen.members] == list(NAMES)
            by_id = {member.id: member for member in seen.members}
            assert by_id[seen.answering_id].name == server
            leads = seen.answering_id == seen.leader_id
            assert sum(member.leader for member in seen.members) == 1
            known = [member.name for member in seen.members if member.HasField("match_index")]
            assert known == (list(NAMES) if leads else [server])
            assert all(member.HasField("lag") == leads for member in seen.members)
        group.servers["b"].end(signal.SIGKILL)

        async def b_is_away() -> bool:
            seen = await listed("a")
            return {m.name: m.reachable for m in seen.members} == {"a": True, "b": False, "c": True}

        await eventually_async(b_is_away)

    asyncio.run(main())


def test_a_member_without_the_clusters_authority_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "podraft.server.app", f"--data-dir={tmp_path}"]
    command += ["--members=a=127.0.0.1:1,b=127.0.0.1:2,c=127.0.0.1:3", "--member-name=b"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "start member a first" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--member-name=a"], "need --members, --member-address or --join"),
        (["--token=t"], "--token needs --join"),
        (["--join=h:1", "--members=a=h:1", "--member-name=a"], "founds a group"),
        (["--join=h:1", "--datastore=etcd://h:1"], "leave out --datastore"),
        (["--join=h:1", "--member-name=B"], "lower-case letters"),
        (["--members=a=h:1,b=h:2", "--member-name=c"], "one of --members: a, b"),
        (["--members=a=h:1,a=h:2", "--member-name=a"], "'a' is there twice"),
        (["--members=a=h:1,b=h:1", "--member-name=a"], "same address"),
        (["--members=A=h:1", "--member-name=A"], "NAME=HOST:PORT"),
    ],
)
def test_wrong_members_are_refused(arguments: list[str], problem: str) -> None:
    command = [sys.executable, "-m", "podraft.server.app", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert problem in done.stderr
