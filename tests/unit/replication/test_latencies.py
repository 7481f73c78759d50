"""Latencies are counted for ever and told of the last minute."""

from __future__ import annotations

import pytest

from podraft.server.store.durations import BOUNDS_S, quantile_s
from podraft.server.store.latencies import Latencies


def test_a_quantile_is_right_within_its_bound():
    latencies = Latencies(lambda: 0.0)
    for number in range(1, 1001):
        latencies.observe(number / 1000)
    assert latencies.recent_quantile_s(0.5) == pytest.approx(0.5, rel=0.05)
    assert latencies.recent_quantile_s(0.99) == pytest.approx(0.99, rel=0.05)
    assert sum(latencies.counts) == 1000
    assert latencies.sum_s == pytest.approx(500.5)


def test_what_is_older_than_a_minute_is_in_the_total_only():
    now = 0.0
    latencies = Latencies(lambda: now)
    latencies.observe(5.0)
    now = 59.0
    latencies.observe(0.001)
    assert latencies.recent_quantile_s(1.0) > 4
    now = 62.0
    assert latencies.recent_quantile_s(1.0) < 0.002
    now = 200.0
    assert latencies.recent_quantile_s(1.0) == 0.0
    assert sum(latencies.counts) == 2


def test_nothing_and_endless_have_a_quantile():
    assert quantile_s([0] * (len(BOUNDS_S) + 1), 0.99) == 0.0
    latencies = Latencies(lambda: 0.0)
    latencies.observe(1e9)
    assert latencies.recent_quantile_s(0.5) == BOUNDS_S[-1]
