"""What must be true of everything that clients were told, whatever happened to the members.

Owns: the comparison of calls and watches with the truth: what every member tells in the end of all
that happened since the start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from faults.workload import Call, Seen
from simulation.linearizability import (
    ABSENT,
    Act,
    Operation,
    SearchTooLongError,
    is_linearizable,
)

_WRITES = (Act.WRITE, Act.SWAP)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """``problems`` empty: every promise was kept; ``undecided``: searches that were too long."""

    problems: list[str]
    keys: int
    undecided: int


def check(
    calls: Sequence[Call], truth: Sequence[Seen], streams: Iterable[Sequence[Seen]]
) -> Verdict:
    """Compare what clients and watchers were told with ``truth``."""
    problems = [
        *_check_stream("the past", truth, truth),
        *(
            problem
            for number, stream in enumerate(streams)
            for problem in _check_stream(f"watcher {number}", stream, truth)
        ),
        *_check_writes(calls, truth),
        *_check_real_time(calls),
    ]
    happened = {event.value for event in truth}
    by_key = defaultdict(list)
    for call in calls:
        operation = _operation(call, happened)
        if operation is not None:
            by_key[call.key].append(operation)
    undecided = 0
    for key, operations in by_key.items():
        try:
            if not is_linearizable(operations):
                problems.append(f"the history of {key} is not linearizable")
        except SearchTooLongError:
            undecided += 1
    return Verdict(problems, len(by_key), undecided)


def _check_stream(name: str, stream: Sequence[Seen], truth: Sequence[Seen]) -> Iterable[str]:
    """Ordered, unique, complete, and of what really happened."""
    revisions = [event.revision for event in stream]
    for before, after in pairwise(revisions):
        if after <= before:
            yield f"{name} was shown revision {after} after {before}"
            return
    if list(stream) == list(truth):
        return
    real = {event.revision: event for event in truth}
    shown = {event.revision: event for event in stream}
    missed = [real[revision] for revision in sorted(real.keys() - shown.keys())]
    invented = [shown[revision] for revision in sorted(shown.keys() - real.keys())]
    other = [shown[r] for r in sorted(shown.keys() & real.keys()) if shown[r] != real[r]]
    for what, events in (("missed", missed), ("was shown", invented), ("was shown", other)):
        if events:
            yield f"{name} {what} {len(events)}: {events[:_SHOWN]}"


def _check_writes(calls: Sequence[Call], truth: Sequence[Seen]) -> Iterable[str]:
    """Nothing acknowledged is lost, nothing came from nowhere, nothing happened twice."""
    written = {(event.revision, event.key, event.value) for event in truth}
    for call in calls:
        acknowledged = call.act in _WRITES and call.end_s != inf and not call.void
        if acknowledged and (call.revision, call.key, call.value) not in written:
            yield f"acknowledged, and lost: {call}"
        read = call.act is Act.READ and call.seen != ABSENT
        if read and (call.revision, call.key, call.seen) not in written:
            yield f"read, and never there: {call}"
    tried = {call.value: call for call in calls if call.value != ABSENT}
    values = set()
    for event in truth:
        source = tried.get(event.value)
        if source is None or source.key != event.key:
            yield f"nobody wrote {event}"
        elif source.void or source.act not in _WRITES:
            yield f"it was said that this was not done: {source}, but there is {event}"
        if event.value in values:
            yield f"done twice: {event}"
        values.add(event.value)


def _check_real_time(calls: Sequence[Call]) -> Iterable[str]:
    """Revisions never run against real time: of writes over all keys, of reads within one."""
    answered = [call for call in calls if call.revision and call.end_s != inf]
    for key in {None, *(call.key for call in answered)}:
        concerned = [
            call for call in answered if call.key == key or (key is None and call.act in _WRITES)
        ]
        concerned.sort(key=lambda call: call.end_s)
        ends = [call.end_s for call in concerned]
        reached = [0]
        for call in concerned:
            reached.append(max(reached[-1], call.revision))
        for call in concerned:
            before = reached[bisect_right(ends, call.start_s)]
            if call.revision < before:
                yield f"stale: {call}, but revision {before} had been told before it began"


def _operation(call: Call, happened: set[int]) -> Operation | None:
    if call.void:
        return None
    if call.end_s == inf and call.value not in happened:
        # Never answered, and it had no effect.
        return None
    return Operation(
        call.act,
        call.start_s,
        call.end_s,
        value=call.value,
        expected=call.expected,
        seen=call.seen,
    )
