"""Who has another state than the majority is wrong; without a majority nobody is told so."""

from __future__ import annotations

import pytest

from podraft.server.replication.comparison import MARKS_MAX, Comparison, Verdict, judge
from podraft.server.state.digests import StateMark

THREE = (1, 2, 3)


@pytest.mark.parametrize(
    ("mine", "others", "voters", "expected"),
    [
        (7, {}, THREE, Verdict.OPEN),
        (7, {2: 7}, THREE, Verdict.EQUAL),
        (7, {2: 7, 3: 8}, THREE, Verdict.EQUAL),
        (7, {2: 8, 3: 8}, THREE, Verdict.DIVERGED),
        (7, {2: 8}, THREE, Verdict.SPLIT),
        (7, {2: 8, 3: 9}, THREE, Verdict.SPLIT),
        (7, {2: 8}, (1, 2), Verdict.SPLIT),
        (7, {2: 8, 3: 8}, (1, 2, 3, 4, 5), Verdict.SPLIT),
        (7, {2: 8, 3: 8, 4: 8}, (1, 2, 3, 4, 5), Verdict.DIVERGED),
        # Learners are judged, but do not judge.
        (7, {2: 8, 3: 8}, (2, 3, 4), Verdict.DIVERGED),
        (7, {2: 7, 3: 8, 4: 8}, (1, 2, 5), Verdict.EQUAL),
    ],
)
def test_the_verdict_is_the_majority_of_the_voters(mine, others, voters, expected):
    assert judge(1, mine, others, voters) is expected


def _comparison() -> tuple[Comparison, list[Exception]]:
    stopped: list[Exception] = []
    return Comparison(1, lambda: THREE, lambda member: f"m{member}", stopped.append), stopped


def test_it_does_not_matter_who_reaches_a_mark_first():
    for early in (True, False):
        comparison, stopped = _comparison()
        if early:
            comparison.marked(StateMark(10, 5, 111))
        comparison.told(2, [StateMark(10, 5, 222)])
        comparison.told(3, [StateMark(10, 5, 222)])
        if not early:
            assert not stopped
            comparison.marked(StateMark(10, 5, 111))
        assert len(stopped) == 1
        words = str(stopped[0])
        assert "log index 10" in words and "revision 5" in words
        assert f"{111:016x}" in words and f"m2 {222:016x}" in words


def test_a_split_is_over_when_states_are_equal_again():
    comparison, stopped = _comparison()
    comparison.marked(StateMark(10, 5, 111))
    splits = []
    # The third member may just be about to tell.
    for _ in range(4):
        splits.append(comparison.split)
        comparison.told(2, [StateMark(10, 5, 222)])
    splits.append(comparison.split)
    comparison.told(3, [StateMark(10, 5, 111)])
    assert comparison.equal_index == 10
    assert [*splits, comparison.split] == [False] * 4 + [True, False]
    assert not stopped


def test_what_is_remembered_is_bounded():
    comparison, _ = _comparison()
    for index in range(1000):
        comparison.marked(StateMark(index, index, index))
        comparison.told(2, [StateMark(2 * index, 0, 0)])
    assert len(comparison.marks) == MARKS_MAX
    assert len(comparison._told) <= 2 * MARKS_MAX
