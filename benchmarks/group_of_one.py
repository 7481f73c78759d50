"""What a group of one costs: `RaftDatastore` with one member against `EmbeddedDatastore`.

Run: ``PYTHONPATH=tests .venv/bin/python benchmarks/group_of_one.py [--rounds N] [--seconds S]``.
Both stores are open in one process and take turns, so that what else the machine does meets both;
the medians of the rounds are compared.  CPU is that of all threads of this process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import Datastore, Guard, Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from support.raft_cluster import RaftCluster

VALUE = os.urandom(1024)


@dataclass(frozen=True, slots=True)
class Round:
    """What one turn of one store measured."""

    cpu_us: float
    p50_ms: float
    per_s: float


async def turn(store: Datastore, name: bytes, writers: int, seconds: float) -> Round:
    """Let ``writers`` create keys, each one after the other."""
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


async def measure(directory: Path, rounds: int, seconds: float) -> None:
    """Let the stores take turns and print what they took."""
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
        print(f"{writers} writers")
        for label, measured in results.items():
            print(f"  {line(label, measured)}")
        ratios = [
            group.cpu_us / single.cpu_us
            for single, group in zip(results["alone"], results["group"], strict=True)
        ]
        print(f"  CPU of group / alone: {statistics.median(ratios):.3f}", flush=True)
    await alone.close()
    await cluster.stop_all()


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="podraft-bench-", dir=".") as directory:
        asyncio.run(measure(Path(directory), given.rounds, given.seconds))


if __name__ == "__main__":
    main()
