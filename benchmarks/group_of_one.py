"""What a group of one costs: `RaftDatastore` with one member against `EmbeddedDatastore`.

Run: ``PYTHONPATH=tests:benchmarks .venv/bin/python benchmarks/group_of_one.py [--api]``.
Both stores (with ``--api``: both servers) are open at once and take turns, so that what else the
machine does meets both; the medians of the rounds are compared.  CPU is that of all threads of the
process that has the store.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_cluster.server_process import ServerProcess
from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import Datastore, Guard, Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from suite.api import result, spawn
from suite.server import Server
from support.raft_cluster import RaftCluster, free_ports

VALUE = os.urandom(1024)


@dataclass(frozen=True, slots=True)
class Round:
    """The measurements of one turn of one store."""

    cpu_us: float
    p50_ms: float
    per_s: float


async def turn(store: Datastore, name: bytes, writers: int, seconds: float) -> Round:
    """Measure ``writers`` writers that each create one key after another."""
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds

    async def write(writer: int) -> None:
        number = 0
        while (begin := time.perf_counter()) < deadline:
            key = b"configmaps/%s/%d-%d" % (name, writer, number)
            await store.transact(Transaction((Guard(key, 0),), (Put(key, VALUE),)))
            latencies.append(time.perf_counter() - begin)
            number += 1

    gc.collect()
    begin_cpu, begin = time.process_time(), time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    cpu, took = time.process_time() - begin_cpu, time.perf_counter() - begin
    return Round(
        cpu / len(latencies) * 1e6, statistics.median(latencies) * 1e3, len(latencies) / took
    )


def line(label: str, rounds: Sequence[Round]) -> str:
    """Return the medians of a store's rounds."""
    return (
        f"{label:9s} CPU {statistics.median(r.cpu_us for r in rounds):6.1f} us/write, "
        f"p50 {statistics.median(r.p50_ms for r in rounds):6.3f} ms, "
        f"{statistics.median(r.per_s for r in rounds):7.0f} writes/s"
    )


def report(title: str, results: Mapping[str, Sequence[Round]]) -> None:
    """Print the medians, and their comparison round by round."""
    print(title)
    for label, measured in results.items():
        print(f"  {line(label, measured)}")
    pairs = list(zip(results["alone"], results["group"], strict=True))
    cpu = statistics.median(group.cpu_us / alone.cpu_us for alone, group in pairs)
    latency = statistics.median(group.p50_ms / alone.p50_ms for alone, group in pairs)
    print(f"  group / alone: CPU {cpu:.3f}, p50 {latency:.3f}", flush=True)


async def measure(directory: Path, rounds: int, seconds: float) -> None:
    """Measure the stores in turns and print the results."""
    alone = await EmbeddedDatastore.open(directory / "alone")
    cluster = RaftCluster(directory / "group", options=MemberOptions(), size=1)
    await cluster.start_all()
    stores: dict[str, Datastore] = {"alone": alone, "group": cluster.stores[1]}
    for writers in (1, 16, 64):
        results: dict[str, list[Round]] = {label: [] for label in stores}
        for number in range(rounds):
            for label, store in stores.items():
                name = b"%d-%d" % (writers, number)
                results[label].append(await turn(store, name, writers, seconds))
        report(f"{writers} writers", results)
    await alone.close()
    await cluster.stop_all()


def api_turn(running: Server, kind: str, writers: int, seconds: float, prefix: str) -> Round:
    """Measure ``writers`` writers that create ConfigMaps through the API."""
    job = {"job": "create", "kind": kind, "clients": writers, "seconds": seconds, "prefix": prefix}
    begin = running.cpu_seconds()
    measured = result(spawn(running, job))
    cpu, latencies = running.cpu_seconds() - begin, measured["latencies"]
    return Round(
        cpu / len(latencies) * 1e6,
        statistics.median(latencies) * 1e3,
        len(latencies) / measured["elapsed"],
    )


def measure_api(directory: Path, rounds: int, seconds: float) -> None:
    """Measure two servers in turns and print the results."""
    (port,) = free_ports(1)
    founder = (f"--member-address=127.0.0.1:{port}", "--member-name=one")
    with (
        ServerProcess(directory / "alone") as alone,
        ServerProcess(directory / "group", founder) as group,
    ):
        servers = {}
        for label, process in (("alone", alone), ("group", group)):
            assert process.process is not None
            servers[label] = Server(psutil.Process(process.process.pid), process.config_path())
        for writers in (1, 16, 64):
            results: dict[str, list[Round]] = {label: [] for label in servers}
            for number in range(rounds):
                for label, running in servers.items():
                    prefix = f"c{writers}-{number}"
                    results[label].append(api_turn(running, "ConfigMap", writers, seconds, prefix))
            report(f"{writers} clients of the API", results)


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--api", action="store_true", help="measure servers, not stores")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podraft-bench-", dir=".") as directory:
        if given.api:
            measure_api(Path(directory), given.rounds, given.seconds)
        else:
            asyncio.run(measure(Path(directory), given.rounds, given.seconds))


if __name__ == "__main__":
    main()
