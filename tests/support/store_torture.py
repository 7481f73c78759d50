"""A process that writes to a store until it is killed, and reports what was acknowledged.

Every proposer counts: transaction n creates ``u/<proposer>/<n>`` and moves the counter
``c/<proposer>`` from n-1 to n under a guard. So the recovered state can be checked exactly: a
counter of n, all keys up to n, none above.
"""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from podraft.client.serving.private_files import write_private
from podraft.server.encryption.key_file import beside
from podraft.server.encryption.key_ring import RING_FILE
from podraft.server.state.datastore import (
    Committed,
    Guard,
    Put,
    Record,
    StoreFailedError,
    Transaction,
)
from podraft.server.store.embedded import EmbeddedDatastore
from podraft.server.store.options import StoreOptions
from podraft.server.store.sealing import resealing

PROPOSERS = 6
# Segments and commits are so small that kills hit their creation and removal.
OPTIONS = StoreOptions(
    segment_bytes=16 * 1024,
    history_flush_interval_s=0.004,
    recent_events=50,
)

Report = Callable[[int, int, int], None]


def write_until_killed(directory: str, pipe: Connection) -> None:
    """Report the recovered records, then acknowledgements (proposer, number, revision)."""
    asyncio.run(_write(Path(directory), pipe))


def write_until_disk_fails(directory: str, pipe: Connection, part: str) -> None:
    """Do the same, but soon stop the log's or history's files from growing; report the errors."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = Path(directory)
    if part == "log":
        # The history is not written during this time.
        options = replace(OPTIONS, segment_bytes=256 * 1024, history_flush_interval_s=100.0)
        asyncio.run(_write(path, pipe, options, lambda: 128 * 1024))
    else:
        history = path / "history.lmdb"
        asyncio.run(_write(path, pipe, OPTIONS, lambda: history.stat().st_size + 64 * 1024))


def rotate_until_killed(directory: str, pipe: Connection) -> None:
    """Do the same as ``write_until_killed``, while keys are rotated as often as possible."""
    resealing._LOOK_EVERY_S = resealing._PAUSE_S = 0.001  # type: ignore[misc]  # final elsewhere
    resealing._ENTRIES_PER_STEP = 1000  # type: ignore[misc]  # as above
    path = Path(directory)

    async def main() -> None:
        rotating = asyncio.create_task(_rotate(path))
        await _write(path, pipe)
        rotating.cancel()

    asyncio.run(main())


async def _rotate(directory: Path) -> None:
    """Request a rotation whenever the previous one is done."""
    wanted, progress = directory / resealing.WANTED_FILE, directory / resealing.PROGRESS_FILE
    while True:
        if not wanted.exists() and not progress.exists() and (directory / RING_FILE).exists():
            beside(directory).add()
            write_private(wanted, b"")
        await asyncio.sleep(0.001)


async def _write(
    directory: Path,
    pipe: Connection,
    options: StoreOptions = OPTIONS,
    file_bytes: Callable[[], int] | None = None,
) -> None:
    store = await EmbeddedDatastore.open(directory, options=options)
    if file_bytes is not None:
        limit = file_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    records = list((await store.range(b"")).records)
    pipe.send((store.revision, [(r.key, r.value, r.mod_revision) for r in records]))
    counters = {r.key: r for r in records if r.key.startswith(b"c/")}

    def report(proposer: int, number: int, revision: int) -> None:
        pipe.send((proposer, number, revision))

    proposers = [
        asyncio.create_task(_count(store, proposer, counters.get(b"c/%d" % proposer), report))
        for proposer in range(PROPOSERS)
    ]
    results = await asyncio.gather(*proposers, return_exceptions=True)
    again = await asyncio.gather(
        store.transact(Transaction((), (Put(b"late", b""),))), return_exceptions=True
    )
    failed = await asyncio.wait_for(store.failed(), 5)
    await store.close()
    pipe.send(("stopped", [type(r).__name__ for r in (*results, *again, failed)]))


async def _count(
    store: EmbeddedDatastore, proposer: int, counter: Record | None, report: Report
) -> None:
    number = int(counter.value) if counter is not None else 0
    revision = counter.mod_revision if counter is not None else 0
    name = b"c/%d" % proposer
    while True:
        number += 1
        key = b"u/%d/%d" % (proposer, number)
        writes = (
            Put(name, b"%d" % number, stamped=False),
            Put(key, b"%s " % key * (number % 20 + 1), stamped=False),
        )
        guards = (Guard(name, revision), Guard(key, 0))
        outcome = await store.transact(Transaction(guards, writes))
        if not isinstance(outcome, Committed):
            raise StoreFailedError(f"a counter moved by itself: {outcome}")
        revision = outcome.revision
        report(proposer, number, revision)


def check_recovered(
    revision: int,
    records: list[tuple[bytes, bytes, int]],
    acknowledged: dict[int, tuple[int, int]],
    known: dict[bytes, int],
) -> None:
    """Assert that the records are what was acknowledged, plus at most one more per proposer."""
    found = {key: (value, mod_revision) for key, value, mod_revision in records}
    total = 0
    for proposer in range(PROPOSERS):
        counter, moved = found.get(b"c/%d" % proposer, (b"0", 0))
        number = int(counter)
        total += number
        acked, acked_revision = acknowledged.get(proposer, (0, 0))
        assert acked <= number <= acked + 1, f"proposer {proposer}: {acked} acked, {number} found"
        if number == acked:
            assert moved == acked_revision
        for n in range(1, number + 1):
            key = b"u/%d/%d" % (proposer, n)
            assert found[key][0] == b"%s " % key * (n % 20 + 1)
            assert known.setdefault(key, found[key][1]) == found[key][1]
    assert revision == total
    counters = sum(key.startswith(b"c/") for key in found)
    assert len(found) == total + counters, "records that nobody wrote"
