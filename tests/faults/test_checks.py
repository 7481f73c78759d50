"""The checks of a fault run find what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import pytest

from faults.checks import check
from faults.plan import FaultKind, faults
from faults.workload import Call, Seen
from simulation.linearizability import UNKNOWN, Act

ADDED, MODIFIED = 1, 2
TRUTH = [Seen(5, "r", 1, ADDED), Seen(6, "r", 2, MODIFIED), Seen(9, "s", 3, ADDED)]
CALLS = [
    Call(0, "a", "r", Act.SWAP, 0.0, 1.0, value=1, revision=5),
    Call(1, "b", "r", Act.SWAP, 0.5, 2.0, value=2, expected=1, revision=6),
    Call(0, "a", "r", Act.READ, 2.5, 3.0, seen=2, revision=6),
    Call(0, "a", "r", Act.SWAP_REFUSED, 3.0, 4.0, value=4, expected=1, seen=UNKNOWN),
    # Nobody knows what became of these: one happened.
    Call(1, "b", "s", Act.WRITE, 3.0, value=3),
    Call(2, "c", "s", Act.WRITE, 3.0, value=5),
]


def problems(
    calls: Sequence[Call] = CALLS,
    truth: Sequence[Seen] = TRUTH,
    streams: Sequence[Sequence[Seen]] = (TRUTH,),
) -> list[str]:
    return check(calls, truth, streams).problems


def test_what_is_right_is_accepted() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (replace(CALLS[0], revision=4), "acknowledged, and lost"),
        (Call(3, "a", "s", Act.WRITE, 0, 1, value=7, revision=7), "acknowledged, and lost"),
        (Call(3, "a", "r", Act.READ, 5, 6, seen=1, revision=5), "not linearizable"),
        (Call(3, "a", "r", Act.READ, 5, 6, seen=1, revision=5), "stale"),
        (Call(3, "a", "r", Act.READ, 5, 6), "not linearizable"),
        (Call(3, "a", "r", Act.READ, 5, 6, seen=9, revision=8), "never there"),
        (Call(3, "a", "r", Act.SWAP_REFUSED, 5, 6, expected=2, seen=UNKNOWN), "not linearizable"),
        (Call(3, "a", "s", Act.WRITE, 5, 6, value=3, void=True), "not done"),
    ],
)
def test_a_wrong_answer_is_found(call: Call, said: str) -> None:
    calls = [each for each in CALLS if each.value != call.value or not call.value]
    assert any(said in problem for problem in problems([*calls, call]))


def test_what_nobody_wrote_is_found() -> None:
    truth = [*TRUTH, Seen(10, "r", 77, MODIFIED)]
    assert any("nobody wrote" in problem for problem in problems(CALLS, truth, [truth]))
    truth = [*TRUTH, Seen(10, "s", 3, MODIFIED)]
    assert any("done twice" in problem for problem in problems(CALLS, truth, [truth]))


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (TRUTH[1:], "missed 1"),
        ([*TRUTH[:2], TRUTH[1], TRUTH[2]], "revision 6 after 6"),
        ([TRUTH[1], TRUTH[0], TRUTH[2]], "revision 5 after 6"),
        ([*TRUTH, Seen(10, "r", 4, MODIFIED)], "was shown 1"),
        ([TRUTH[0], replace(TRUTH[1], value=4), TRUTH[2]], "was shown 1"),
    ],
)
def test_a_watch_that_is_not_the_truth_is_found(stream: list[Seen], said: str) -> None:
    assert any(said in problem for problem in problems(streams=[TRUTH, stream]))


def test_the_plan_follows_from_the_seed_and_tries_everything_early() -> None:
    names = ("a", "b", "c")
    plan = list(islice(faults(5, names), 30))
    assert plan == list(islice(faults(5, names), 30))
    assert plan != list(islice(faults(6, names), 30))
    assert {fault.kind for fault in plan[: len(FaultKind)]} == set(FaultKind)
