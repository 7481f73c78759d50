"""Micro benchmark of the embedded store alone: writes, reads, watch, restart.

Run: ``python benchmarks/store.py [--directory DIR] [--seconds S] [--objects N]``.
It measures this process on this disk; `./dev bench` measures the whole server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from podraft.server.state.datastore import Guard, Put, Transaction
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions

VALUE = os.urandom(1024)


def fdatasync_ms(directory: Path) -> float:
    """Return the median time, in milliseconds, of a durable write of 1 KiB."""
    path = directory / "probe"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.posix_fallocate(descriptor, 0, 1 << 20)
    os.fsync(descriptor)
    times = []
    for number in range(200):
        begin = time.perf_counter()
        os.pwrite(descriptor, VALUE, number * 1024)
        os.fdatasync(descriptor)
        times.append(time.perf_counter() - begin)
    os.close(descriptor)
    path.unlink()
    return statistics.median(times) * 1000


async def measure_writes(store: EmbeddedDatastore, proposers: int, seconds: float) -> str:
    """Create keys from ``proposers`` writers at once; return the line of results."""
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds

    async def propose(proposer: int) -> None:
        number = 0
        while (begin := time.perf_counter()) < deadline:
            key = b"configmaps/bench/%d-%d-%d" % (proposers, proposer, number)
            await store.transact(Transaction((Guard(key, 0),), (Put(key, VALUE),)))
            latencies.append(time.perf_counter() - begin)
            number += 1

    cpu = time.process_time()
    await asyncio.gather(*(propose(proposer) for proposer in range(proposers)))
    cpu = time.process_time() - cpu
    latencies.sort()
    count = len(latencies)
    return (
        f"{proposers:4d} proposers: {count / seconds:8.0f} creates/s, "
        f"p50 {latencies[count // 2] * 1000:6.3f} ms, "
        f"p99 {latencies[count * 99 // 100] * 1000:6.3f} ms, "
        f"CPU {cpu / count * 1e6:4.0f} us each (all threads)"
    )


async def fill(store: EmbeddedDatastore, objects: int) -> float:
    """Create ``objects`` objects in transactions of 100; return the seconds taken."""
    begin = time.perf_counter()
    window = 32
    for first in range(0, objects, 100 * window):
        await asyncio.gather(
            *(
                store.transact(
                    Transaction(
                        (),
                        tuple(
                            Put(b"pods/default/pod-%07d" % (number * 7919 % 1_000_003), VALUE)
                            for number in range(start, min(start + 100, objects))
                        ),
                    )
                )
                for start in range(first, min(first + 100 * window, objects), 100)
            )
        )
    return time.perf_counter() - begin


async def restart(directory: Path, options: StoreOptions, label: str) -> None:
    """Open the store and print how long that took."""
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss
    begin = time.perf_counter()
    store = await EmbeddedDatastore.open(directory, options=options)
    took = time.perf_counter() - begin
    memory = process.memory_info()
    page = await store.range(b"")
    print(
        f"{label}: {took:.2f} s for {len(page.records)} objects, RSS {memory.rss >> 20} MiB "
        f"(before {before >> 20}), of it the mapped file {memory.shared >> 20} MiB"
    )
    begin = time.perf_counter()
    page = await store.range(b"pods/", limit=5000)
    print(f"range of {len(page.records)}: {(time.perf_counter() - begin) * 1000:.1f} ms")
    await store.close()


async def write_benchmark(directory: Path, seconds: float) -> None:
    """Measure creates at 1, 16 and 64 proposers."""
    store = await EmbeddedDatastore.open(directory / "writes")
    for proposers in (1, 16, 64):
        print(await measure_writes(store, proposers, seconds))
    await store.close()


async def fill_benchmark(directory: Path, objects: int) -> None:
    """Measure bulk creation."""
    store = await EmbeddedDatastore.open(directory / "restart")
    print(f"fill: {objects} objects of 1 KiB in {await fill(store, objects):.2f} s")
    begin = time.perf_counter()
    await store.close()
    print(f"close: {time.perf_counter() - begin:.2f} s")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--only-restart", action="store_true")
    arguments = parser.parse_args()
    directory = arguments.directory or Path(tempfile.mkdtemp(prefix="podraft-bench-"))
    directory.mkdir(exist_ok=True)
    try:
        if not arguments.only_restart:
            print(f"write + fdatasync of 1 KiB: p50 {fdatasync_ms(directory):.3f} ms")
            asyncio.run(write_benchmark(directory, arguments.seconds))
            asyncio.run(fill_benchmark(directory, arguments.objects))
        asyncio.run(restart(directory / "restart", StoreOptions(), "restart"))
    finally:
        if arguments.directory is None:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
