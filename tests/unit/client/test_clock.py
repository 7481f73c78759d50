"""Durations while the wall's clock steps: stamps keep their age, and nobody waits an hour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from podraft.client.clock import Clock


class Wall:
    """A wall's clock that can be set, beside one that cannot."""

    def __init__(self) -> None:
        self.steady = 1000.0
        self.ahead = 1_700_000_000.0

    def now(self) -> float:
        return self.steady + self.ahead

    def clock(self) -> Clock:
        return Clock(self.now, lambda: self.steady)


@given(
    st.lists(st.tuples(st.floats(0, 900), st.sampled_from([0, 0, 60, 3600, 86400])), max_size=12)
)
def test_a_stamp_of_this_machine_keeps_its_age_through_steps_forward(
    passes: list[tuple[float, float]],
) -> None:
    wall = Wall()
    clock = wall.clock()
    written: list[tuple[float, float]] = []
    for wait_s, step_s in passes:
        written.append((wall.now(), wall.steady))
        wall.steady += wait_s
        clock.now()
        wall.ahead += step_s
        now = clock.now()
        for stamp_s, moment_s in written:
            assert abs(now.age_s(stamp_s) - (wall.steady - moment_s)) < 0.001


def test_after_a_step_back_stamps_from_before_are_as_old_as_they_are() -> None:
    wall = Wall()
    clock = wall.clock()
    before = wall.now()
    wall.steady += 10
    clock.now()
    wall.ahead -= 3600
    wall.steady += 5
    assert clock.now().age_s(before) == 15
    # The clock shows a time that it has shown before: the newest stamp is meant.
    wall.steady += 20
    assert clock.now().age_s(wall.now() - 2) == 2


def test_after_a_step_forward_stamps_from_before_are_not_an_hour_old() -> None:
    wall = Wall()
    clock = wall.clock()
    before = wall.now()
    wall.steady += 10
    clock.now()
    wall.ahead += 3600
    wall.steady += 5
    now = clock.now()
    assert now.age_s(before) == 15
    # In the gap: a machine wrote it whose clock did not step.
    assert now.age_s(before + 1800) == 0
    wall.steady += 7
    assert clock.now().age_s(before + 1800) == 7
    assert now.age_s(wall.now() - 7) == 0


def test_a_stamp_from_a_clock_that_is_ahead_ages_from_when_it_is_first_met() -> None:
    wall = Wall()
    clock = wall.clock()
    ahead = wall.now() + 3600
    assert clock.now().age_s(ahead) == 0
    wall.steady += 30
    assert clock.now().age_s(ahead) == 30
    # Also in a process that began after the step.
    assert wall.clock().now().age_s(ahead) == 0


def test_a_gentle_correction_is_no_step_and_memory_is_bounded() -> None:
    wall = Wall()
    clock = wall.clock()
    for number in range(30_000):
        wall.steady += 1
        wall.ahead += 0.0005
        assert clock.now().age_s(wall.now() + number + 1) >= 0
    now = clock.now()
    assert now.past == ()
    for _ in range(100):
        wall.ahead -= 10
        now = clock.now()
    assert len(now.past) == 16
    assert len(clock._first_seen) <= 10_000
