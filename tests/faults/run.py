"""One run: the world, the clients, the faults, the checks, and what is told about it.

Owns: the order of these; what a run is measured by.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import inf

from faults.checks import Verdict, check
from faults.plan import LEADER, Fault, FaultKind
from faults.workload import NAMESPACE, Book, RegisterClient, Seen, Watcher
from faults.world import World
from podraft.client.calls.client import Client
from podraft.client.connecting.config import ClusterConfig
from podraft.client.errors import ApiError
from support.waiting import eventually_async

CLIENTS = 10
WATCHERS = 3
# Clients wait so long at most for anything to be written, while a majority is well.
_PROGRESS_S = 15.0
_CONVERGED_S = 40.0
_SHOWN = 5

Say = Callable[[str], None]


@dataclass
class Report:
    """``pauses_s``: how long nothing was written after each death of the leader."""

    verdict: Verdict
    book: Book
    seconds: float
    happened: list[tuple[float, Fault, str]] = field(default_factory=list)
    pauses_s: list[float] = field(default_factory=list)
    longest_pause_s: float = 0.0
    longest_pause_after: str = ""
    resumed: int = 0

    def lines(self) -> list[str]:
        calls = self.book.calls
        unknown = sum(call.value != 0 and call.end_s == inf for call in calls)
        acknowledged = len(self.book.acknowledged_s)
        pauses = sorted(self.pauses_s)
        lines = [
            f"{len(calls)} calls in {self.seconds:.0f} s, {acknowledged} writes acknowledged,"
            f" {unknown} with an unknown outcome; {len(self.happened)} faults",
            f"{self.verdict.keys} registers searched for an order, {self.verdict.undecided} without"
            f" a verdict; watchers resumed {self.resumed} times",
            f"longest time without a write {self.longest_pause_s:.2f} s{self.longest_pause_after}",
        ]
        if pauses:
            lines.append(
                f"pause of writes after {len(pauses)} deaths of the leader:"
                f" median {pauses[len(pauses) // 2]:.2f} s, 90 of 100 below"
                f" {pauses[len(pauses) * 9 // 10]:.2f} s, longest {pauses[-1]:.2f} s"
            )
        return lines


async def run(
    world: World, seed: int, plan: Iterable[Fault], say: Say, *, seconds: float = inf
) -> Report:
    """Carry out ``plan``, for so long at most, then check everything."""
    await asyncio.to_thread(world.start)
    start = await _converged(world)
    book, stop = Book(), asyncio.Event()
    final: list[int] = []
    watchers = [Watcher(number, seed, world.configs, start) for number in range(WATCHERS)]
    watching = [
        asyncio.create_task(watcher.run(lambda position: bool(final) and position >= final[0]))
        for watcher in watchers
    ]
    clients = [RegisterClient(number, seed, world.configs, book) for number in range(CLIENTS)]
    working = [asyncio.create_task(client.run(stop)) for client in clients]
    began = time.monotonic()
    happened = await _disturb(world, plan, began + seconds, book, say)
    ended = time.monotonic()
    stop.set()
    await asyncio.gather(*working)
    say("faults have stopped: waiting for all members to be equal")
    final.append(await _converged(world))
    async with asyncio.timeout(_CONVERGED_S):
        await asyncio.gather(*watching)
    pasts = {name: await _past(config, start, final[0]) for name, config in world.configs.items()}
    await asyncio.to_thread(world.check_running)
    truth = pasts[world.leader.name]
    say("checking")
    streams = [*pasts.values(), *(watcher.seen for watcher in watchers)]
    verdict = await asyncio.to_thread(check, book.calls, truth, streams)
    refused = [problem for watcher in watchers for problem in watcher.problems[:_SHOWN]]
    verdict.problems.extend((*book.problems, *world.problems, *refused))
    report = Report(verdict, book, ended - began, happened)
    report.resumed = sum(watcher.resumed for watcher in watchers)
    _measure(report, began, ended)
    return report


async def _disturb(
    world: World, plan: Iterable[Fault], end: float, book: Book, say: Say
) -> list[tuple[float, Fault, str]]:
    happened: list[tuple[float, Fault, str]] = []
    began = time.monotonic()
    for fault in plan:
        if time.monotonic() + fault.pause_s + fault.lasts_s > end:
            break
        if fault.all_well:
            await _converged(world, comparing=False)
        await asyncio.sleep(fault.pause_s)
        at = time.monotonic()
        say(f"{at - began:6.1f} s  {fault}")
        victim = await world.suffer(fault)
        happened.append((at, fault, victim))
        await asyncio.to_thread(world.check_running)
        # The next fault hits a group that works: else nothing at all would happen any more.
        count = len(book.acknowledged_s)
        try:
            await eventually_async(partial(_more, book, count), within_s=_PROGRESS_S)
        except AssertionError:
            book.problems.append(f"nothing was written for {_PROGRESS_S} s after {fault}")
            break
    return happened


def _more(book: Book, count: int) -> bool:
    return len(book.acknowledged_s) > count


async def _converged(world: World, *, comparing: bool = True) -> int:
    """Return a revision at which all members have answered, with equal contents if ``comparing``.

    Each proves with its answer that it knows what is committed.
    """

    async def answered() -> list[tuple[int, list[bytes]]] | None:
        try:
            return [await _contents(config) for config in world.configs.values()]
        except ApiError:
            return None

    async def equal() -> int:
        found = await answered()
        if found is None or (comparing and any(each != found[0] for each in found)):
            return 0
        return max(revision for revision, _ in found)

    return await eventually_async(equal, within_s=_CONVERGED_S)


async def _contents(config: ClusterConfig) -> tuple[int, list[bytes]]:
    async with Client(config, timeout_s=5) as client:
        listed = await client.config_maps.list(NAMESPACE)
    return int(listed.resource_version), [item.SerializeToString() for item in listed.items]


async def _past(config: ClusterConfig, start: int, end: int) -> list[Seen]:
    """Return all that happened, as one member tells it."""
    watcher = Watcher(0, 0, {"": config}, start)
    async with asyncio.timeout(_CONVERGED_S):
        await watcher.run(lambda position: position >= end)
    return watcher.seen


def _measure(report: Report, began: float, ended: float) -> None:
    inside = [t for t in sorted(report.book.acknowledged_s) if began <= t <= ended]
    moments = (began, *inside, ended)
    gaps = [(after - before, before, after) for before, after in pairwise(moments)]
    report.longest_pause_s, _, longest_end = max(gaps)
    before_it = [fault for at, fault, _ in report.happened if at < longest_end]
    if before_it:
        report.longest_pause_after = f" (the last fault before: {before_it[-1]})"
    for at, fault, _ in report.happened:
        if fault.kind is FaultKind.KILL and fault.member == LEADER:
            report.pauses_s.append(
                max(gap for gap, before, after in gaps if after >= at and before <= at + 0.5)
            )
