"""A disk is slow when its syncs take a large part of the election timeout, and not in between."""

from __future__ import annotations

import pytest

from podraft.server.diagnosis.core.disk import DiskObservation, is_slow


@pytest.mark.parametrize(
    ("observed", "was_slow", "expected"),
    [
        (DiskObservation(1000, 0.001, 0.0), False, False),
        (DiskObservation(1000, 0.124, 0.0), False, False),
        (DiskObservation(1000, 0.126, 0.0), False, True),
        # Few syncs say nothing, one that hangs does.
        (DiskObservation(3, 0.126, 0.0), False, False),
        (DiskObservation(0, 0.0, 0.3), False, False),
        (DiskObservation(0, 0.0, 0.6), False, True),
        # Once slow it stays so until it is clearly quicker.
        (DiskObservation(1000, 0.1, 0.0), True, True),
        (DiskObservation(3, 0.1, 0.0), True, True),
        (DiskObservation(1000, 0.06, 0.0), True, False),
        (DiskObservation(0, 0.0, 0.0), True, False),
    ],
)
def test_the_rule_and_its_hysteresis(observed, was_slow, expected):
    assert is_slow(observed, 0.5, was_slow=was_slow) is expected
