"""A disk is slow when its syncs take a large part of the election timeout, and not in between."""

from __future__ import annotations

import pytest

from podraft.server.diagnosis.core.disk import (
    DiskObservation,
    is_slow,
    should_hand_over,
    stalls,
)
from podraft.server.store.latencies import Latencies


def _syncs(*durations_s: float, quick: int = 0, waiting_s: float = 0.0) -> DiskObservation:
    latencies = Latencies(lambda: 0.0)
    for duration_s in (*durations_s, *(0.001 for _ in range(quick))):
        latencies.observe(duration_s)
    return DiskObservation(latencies.recent(), waiting_s)


@pytest.mark.parametrize(
    ("observed", "was_slow", "expected"),
    [
        (_syncs(quick=1000), False, False),
        (_syncs(*(0.2 for _ in range(10)), quick=990), False, True),
        (_syncs(*(0.2 for _ in range(10)), quick=1100), False, False),
        (_syncs(*(0.12 for _ in range(10))), False, False),
        # One or two are accidents; one that hangs is not.
        (_syncs(3.0, 3.0), False, False),
        (_syncs(waiting_s=0.3), False, False),
        (_syncs(waiting_s=0.6), False, True),
        # Once slow it stays so until it is clearly quicker.
        (_syncs(*(0.12 for _ in range(10)), quick=90), True, True),
        (_syncs(*(0.06 for _ in range(10)), quick=90), True, False),
        (_syncs(quick=1), True, False),
        (_syncs(), True, False),
    ],
)
def test_the_rule_and_its_hysteresis(observed, was_slow, expected):
    assert is_slow(observed, 0.5, was_slow=was_slow) is expected


@pytest.mark.parametrize(
    ("waiting_s", "median_s", "expected"),
    [
        (0.0, 0.001, False),
        (0.0, 0.2, True),
        (0.4, 0.0, False),
        (0.5, 0.0, True),
    ],
)
def test_a_disk_stalls_when_most_writes_wait(waiting_s, median_s, expected):
    assert stalls(DiskObservation((), waiting_s, median_s), 0.5) is expected


@pytest.mark.parametrize(
    ("leads", "stalled_s", "handed_over_s", "expected"),
    [
        (True, 4.9, 1e9, False),
        (True, 5.1, 1e9, True),
        (False, 100.0, 1e9, False),
        (True, 100.0, 299.0, False),
        (True, 100.0, 301.0, True),
    ],
)
def test_leadership_is_given_away_late_and_seldom(leads, stalled_s, handed_over_s, expected):
    wanted = should_hand_over(leads=leads, stalled_s=stalled_s, handed_over_s=handed_over_s)
    assert wanted is expected
