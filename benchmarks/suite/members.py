"""Three members on this machine: the cost of replication and of a crash, beside etcd.

They are real `podraft-server` processes with mutual TLS on loopback and a real disk; clients have
processes of their own.  etcd, if installed, runs in the same minutes: three members, raw puts
through its gRPC API by as many clients of the same kind, in plain text.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from suite.api import result
from suite.figures import Figure, median_figure, percentile
from suite.server import Server
from support.etcd_process import EtcdProcess, running_cluster
from support.raft_processes import Server as MemberProcess
from support.raft_processes import ServerGroup

_SECTION = "members"
_SECONDS = 5.0
_CLIENTS = (1, 16, 64)
_GOALS = {1: 3.0, 16: 1_500.0, 64: 2_500.0}
_KILLS = 3
_OBJECTS = 100_000
# On a disk, as /tmp may be in memory.
_DIRECTORY = "/var/tmp"
# The size of what a stored object has and a request has not: uid, time of creation, revision.
_STORED_EXTRA_BYTES = 65


@dataclass(frozen=True, slots=True)
class Target:
    """A member that a client process calls: its address and, for podraft, the certificates."""

    address: str
    config_path: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """The load of one measurement: the program, the job, the number of clients, the members."""

    module: str
    job: dict[str, Any]
    clients: int
    targets: Sequence[Target]


@contextlib.contextmanager
def _group() -> Iterator[ServerGroup]:
    with tempfile.TemporaryDirectory(prefix="podraft-bench-", dir=_DIRECTORY) as directory:
        group = ServerGroup(Path(directory))
        try:
            group.start()
            yield group
        finally:
            group.stop()


def _target(member: MemberProcess) -> Target:
    return Target(member.address, str(member.config_path()))


def _observed(member: MemberProcess) -> Server:
    assert member.process is not None
    return Server(psutil.Process(member.process.pid), member.config_path())


def _spawn(module: str, target: Target, job: dict[str, Any]) -> subprocess.Popen[str]:
    arguments = [target.config_path, json.dumps({**job, "server": target.address})]
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True
    )


def _run(load: Load, cpu_seconds: Callable[[], float]) -> tuple[float, list[float], float]:
    """Return calls per second, latencies in s, processor time of all processes per call in µs."""
    processes = min(load.clients, len(load.targets))
    children = []
    before = cpu_seconds()
    for number, target in enumerate(load.targets[:processes]):
        clients = load.clients // processes + (number < load.clients % processes)
        prefix = f"{load.job['job'].replace('_', '-')}-{load.clients}-{time.time_ns()}-{number}"
        job = {**load.job, "clients": clients, "seconds": _SECONDS, "prefix": prefix}
        children.append(_spawn(load.module, target, job))
    results = [result(child) for child in children]
    used = cpu_seconds() - before + sum(one["cpu"] for one in results)
    latencies = [latency for one in results for latency in one["latencies"]]
    rate = len(latencies) / max(one["elapsed"] for one in results)
    return rate, latencies, used / len(latencies) * 1e6


def _figures(
    what: str, load: Load, cpu_seconds: Callable[[], float], goal: float | None
) -> Iterator[Figure]:
    rate, latencies, cpu = _run(load, cpu_seconds)
    noun = f"{what}, {load.clients} client{'s' * (load.clients > 1)}"
    lone = load.clients == 1
    rate_goal, latency_goal = (None, goal) if lone else (goal, None)
    yield Figure(_SECTION, noun, rate, "/s", rate_goal, higher_is_better=True)
    yield Figure(_SECTION, f"{noun}: p50", percentile(latencies, 0.5) * 1e3, "ms", latency_goal)
    yield Figure(_SECTION, f"{noun}: p99", percentile(latencies, 0.99) * 1e3, "ms")
    yield Figure(_SECTION, f"{noun}: processors, all processes", cpu, "µs")


def writes_and_reads() -> Iterator[Figure]:
    """Measure creates and linearizable gets, at the leader and spread over all members."""
    with _group() as group:
        leader = group.leader
        followers = [one for one in group.servers.values() if one is not leader]
        at_leader = [_target(leader)] * 2
        # A lone client of "all members" calls a follower, which is the longest way.
        at_all = [_target(member) for member in (*followers, leader)]
        observed = [_observed(member) for member in group.servers.values()]

        def cpu_seconds() -> float:
            return sum(server.cpu_seconds() for server in observed)

        create = {"job": "create", "kind": "ConfigMap"}
        for clients in _CLIENTS:
            load = Load("suite.load", create, clients, at_leader)
            yield from _figures("creates at the leader", load, cpu_seconds, _GOALS[clients])
        for clients in _CLIENTS:
            load = Load("suite.load", create, clients, at_all)
            yield from _figures("creates at all members", load, cpu_seconds, None)
        for name, targets in (("the leader", at_leader), ("all members", at_all)):
            load = Load("suite.load", {"job": "get"}, 64, targets)
            yield from _figures(f"linearizable gets at {name}", load, cpu_seconds, 4_000.0)
        for member in group.servers.values():
            role = "leader" if member is leader else "follower"
            megabytes = _observed(member).resident_megabytes()
            yield Figure(_SECTION, f"member {member.name}, {role}: memory", megabytes, "MB")


def pauses() -> Iterator[Figure]:
    """Measure how long no write succeeds after the leader was killed."""
    samples = []
    with _group() as group:
        for number in range(_KILLS):
            leader = group.leader
            probes = [
                _spawn(
                    "suite.member_load",
                    _target(member),
                    {"job": "probe", "prefix": f"{number}-{member.name}", "seconds": 5.0},
                )
                for member in group.servers.values()
                if member is not leader
            ]
            for probe in probes:
                assert probe.stdout is not None
                probe.stdout.readline()
            killed = time.perf_counter()
            leader.end(signal.SIGKILL)
            succeeded = sorted(at for probe in probes for at in result(probe)["succeeded"])
            times = [killed, *(at for at in succeeded if at > killed)]
            samples.append(max(after - before for before, after in pairwise(times)))
            leader.begin()
            leader.await_ready()
    yield median_figure(_SECTION, "pause of writes after kill -9 of the leader", samples, "s", 1.0)
    yield Figure(_SECTION, "the longest of these pauses", max(samples), "s", 2.0)


def large() -> Iterator[Figure]:
    """Measure a member with many objects: catching up, restart, memory."""
    with _group() as group:
        leader = group.leader
        behind = next(one for one in group.servers.values() if one is not leader)
        behind.kill()
        job = {"job": "fill", "prefix": "fill", "objects": _OBJECTS}
        result(_spawn("suite.member_load", _target(leader), job))
        for what, goal in ((f"catching up on {_OBJECTS:,} objects", 10), ("restart with them", 3)):
            begin = time.perf_counter()
            behind.begin()
            behind.await_ready()
            yield Figure(_SECTION, what, time.perf_counter() - begin, "s", goal)
            behind.kill()
        behind.start()
        megabytes = [_observed(one).resident_megabytes() for one in group.servers.values()]
        what = f"memory of a member with {_OBJECTS:,} objects of 1 KiB, the largest"
        yield Figure(_SECTION, what, max(megabytes), "MB", 400)


def etcd() -> Iterator[Figure]:
    """Measure three members of etcd with raw puts and gets."""
    if shutil.which("etcd") is None:
        print("  members: etcd is not installed (Debian: etcd-server): skipped", file=sys.stderr)
        return
    with running_cluster(directory=_DIRECTORY) as members:
        leader = next(member for member in members if _leads(member))
        at_leader = [Target(leader.endpoint)] * 2
        followers = [member for member in members if member is not leader]
        at_all = [Target(member.endpoint) for member in (*followers, leader)]

        def cpu_seconds() -> float:
            processes = [psutil.Process(one.process.pid) for one in members if one.process]
            return sum(sum(process.cpu_times()[:2]) for process in processes)

        put = {"job": "etcd_put", "extra_bytes": _STORED_EXTRA_BYTES}
        for name, targets in (("its leader", at_leader), ("all its members", at_all)):
            for clients in _CLIENTS:
                load = Load("suite.member_load", put, clients, targets)
                yield from _figures(f"etcd: puts at {name}", load, cpu_seconds, None)
        load = Load("suite.member_load", {"job": "etcd_get"}, 64, at_leader)
        yield from _figures("etcd: linearizable gets at its leader", load, cpu_seconds, None)


def _leads(member: EtcdProcess) -> bool:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{member.health_port}/metrics", timeout=5
    ) as answer:
        return b"\netcd_server_is_leader 1" in answer.read()


def run() -> Iterator[Figure]:
    """Measure three members."""
    yield from writes_and_reads()
    yield from etcd()
    yield from pauses()
    yield from large()
