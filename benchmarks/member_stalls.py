"""Do snapshots and compaction hold up writes?  Three members, each a process of its own, no API.

Run: ``python benchmarks/member_stalls.py [--directory DIR] [--objects N]``.

One writer in the leader's process writes 1 KiB at a time while the member does something else;
told is how long writes took, and how long the leader's event loop was away.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from podraft.server.raft.member import Role
from podraft.server.replication.member_options import MemberOptions
from podraft.server.replication.opening.member_config import MemberConfig
from podraft.server.replication.raft_datastore import RaftDatastore
from podraft.server.startup.control_plane import tune_memory
from podraft.server.state.datastore import Put, StoreUnavailableError, Transaction
from podraft.server.store.options import StoreOptions
from support.raft_cluster import RaftCluster

VALUE = os.urandom(1024)
_PROBE_S = 0.001


@dataclass
class Measured:
    """Durations of writes and of the loop's absences, in seconds."""

    writes_s: list[float] = field(default_factory=list)
    away_s: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        writes = sorted(self.writes_s)
        away = sorted(self.away_s)
        return (
            f"{len(writes):6} writes: p50 {writes[len(writes) // 2] * 1000:.1f},"
            f" p99 {writes[int(len(writes) * 0.99)] * 1000:.1f}, max {writes[-1] * 1000:.1f} ms;"
            f" loop away p99 {away[int(len(away) * 0.99)] * 1000:.1f}, max {away[-1] * 1000:.1f} ms"
        )


class Member:
    """A member's process, seen from outside."""

    def __init__(self, config: MemberConfig) -> None:
        self._config = config
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(self._config, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, *command: object) -> object:
        """Send a command and wait for its answer."""
        self.pipe.send(command)
        return self.pipe.recv()

    def stop(self) -> None:
        """Leave the group."""
        self.pipe.send(("stop",))
        self._process.join()

    def restart(self) -> float:
        """Start again; return the seconds until the state was loaded, imports included."""
        began = time.perf_counter()
        self._start()
        self.ask("opened")
        return time.perf_counter() - began


def _live(config: MemberConfig, pipe: Connection) -> None:
    tune_memory()
    uvloop.run(_serve(config, pipe))


async def _serve(config: MemberConfig, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    store = await RaftDatastore.open(config)
    numbers = itertools.count(store.revision)
    stop = asyncio.Event()
    working: asyncio.Task[Measured] | None = None

    async def put() -> None:
        number = next(numbers)
        key = b"configmaps/bench/%d-%d" % (config.me.id, number)
        await store.transact(Transaction((), (Put(key, VALUE),)))

    while True:
        command, *arguments = await loop.run_in_executor(None, pipe.recv)
        answer: object = None
        if command == "stop":
            await store.close()
            return
        if command == "leads":
            answer = store.member.status.role is Role.LEADER
        elif command == "caught up":
            answer = await _caught_up(store)
        elif command == "fill":
            await _fill(put, *arguments)
        elif command == "begin writing":
            stop.clear()
            working = asyncio.create_task(_write(put, stop))
        elif command == "end writing":
            stop.set()
            assert working is not None
            answer = await working
        elif command == "compact":
            await store.compact(store.revision)
        elif command == "memory":
            answer = _memory()
        pipe.send(answer)


def _memory() -> str:
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.startswith("Rss"):
            found[name] = int(value.split()[0]) / 1e3
    own, mapped = found["RssAnon"], found["RssFile"]
    return f"{own + mapped:.0f} MB, {mapped:.0f} of it mapped files"


async def _caught_up(store: RaftDatastore) -> bool:
    try:
        await store.caught_up()
    except StoreUnavailableError:
        return False
    return True


async def _fill(put: Callable[[], Awaitable[None]], count: int) -> None:
    async def some() -> None:
        for _ in range(count // 64):
            await put()

    await asyncio.gather(*(some() for _ in range(64)))


async def _write(put: Callable[[], Awaitable[None]], stop: asyncio.Event) -> Measured:
    measured = Measured()

    async def look() -> None:
        while not stop.is_set():
            before = time.perf_counter()
            await asyncio.sleep(_PROBE_S)
            measured.away_s.append(time.perf_counter() - before - _PROBE_S)

    looking = asyncio.create_task(look())
    while not stop.is_set():
        before = time.perf_counter()
        await put()
        measured.writes_s.append(time.perf_counter() - before)
    await looking
    return measured


def _during(leader: Member, what: str, act: Callable[[], object]) -> None:
    leader.ask("begin writing")
    told = act()
    print(f"{what:34} {leader.ask('end writing')}{f'; {told}' if told else ''}", flush=True)


def _wait_for(member: Member) -> None:
    while not member.ask("caught up"):
        time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, help="on the disk to measure")
    parser.add_argument("--objects", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pt-stalls-", dir=arguments.directory) as directory:
        _measure(Path(directory), arguments.objects)


def _measure(directory: Path, objects: int) -> None:
    cluster = RaftCluster(directory, MemberOptions(), StoreOptions())
    members = [Member(cluster.config(number)) for number in (1, 2, 3)]
    for member in members:
        _wait_for(member)
    leader = next(member for member in members if member.ask("leads"))
    follower = next(member for member in members if member is not leader)
    began = time.perf_counter()
    leader.ask("fill", objects)
    print(f"{objects} objects in {time.perf_counter() - began:.1f} s")
    time.sleep(2)
    _during(leader, "nothing else", lambda: time.sleep(5))

    def catch_up() -> str:
        took = follower.restart()
        began = time.perf_counter()
        _wait_for(follower)
        caught_up = time.perf_counter() - began
        # Include what follows a snapshot: its copy is sent, the log is compacted.
        time.sleep(14)
        return f"restart {took:.2f} s, caught up {caught_up:.2f} s later"

    follower.stop()
    leader.ask("fill", 40_000)
    _during(leader, "a snapshot is made and sent", catch_up)
    _during(leader, "all history is forgotten", lambda: leader.ask("compact"))
    for member in members:
        who = "leader" if member is leader else "restored" if member is follower else "follower"
        print(f"{who}: resident {member.ask('memory')}")
        member.stop()


if __name__ == "__main__":
    main()
