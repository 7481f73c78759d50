"""The queue of pods without a node: order, back-off, waking, reporting."""

import pytest

from podraft.server.scheduling.core.demand import PendingPod, Profile, Profiles
from podraft.server.scheduling.queue import Entry, PendingQueue
from support.scheduling.clusters import make_pod

PROFILE = Profiles().profile(make_pod("x").spec)
OTHER = Profiles().profile(make_pod("x", cpu="1").spec)


def pod(name: str, uid: str = "1", profile: Profile = PROFILE) -> PendingPod:
    return PendingPod("default", name, f"{name}-{uid}", "", profile)


def names(entries: list[Entry]) -> list[str]:
    return [entry.pod.name for entry in entries]


def test_pods_are_taken_once_first_come_first_served() -> None:
    queue = PendingQueue()
    assert [queue.add(pod(name)) for name in "cab"] == [True, True, True]
    assert not queue.add(pod("a"))
    assert names(queue.take(2, 0)) == ["c", "a"]
    assert names(queue.take(9, 0)) == ["b"]
    assert not queue.add(pod("a"))
    assert queue.take(9, 0) == []
    assert queue.next_due_s() is None


def test_the_most_important_are_taken_first_also_when_they_come_back() -> None:
    queue, profiles = PendingQueue(), Profiles()

    def important(name: str, priority: int) -> PendingPod:
        made = make_pod(name)
        made.spec.priority = priority
        return pod(name, profile=profiles.profile(made.spec))

    for name, priority in (("low", -5), ("a", 0), ("high", 9), ("b", 0), ("higher", 10)):
        queue.add(important(name, priority))
    queue.add(pod("c"))
    taken = queue.take(9, 0)
    assert names(taken) == ["higher", "high", "a", "b", "c", "low"]
    for entry in reversed(taken):
        queue.fail(entry, "no", 0)
    queue.wake()
    assert names(queue.take(2, 0)) == ["higher", "high"]


def test_what_fits_nowhere_waits_longer_each_time_up_to_a_bound() -> None:
    queue = PendingQueue()
    queue.add(pod("a"))
    now = 0.0
    pauses: list[float] = []
    for _ in range(7):
        [entry] = queue.take(1, now)
        queue.fail(entry, "no", now)
        due = queue.next_due_s()
        assert due is not None
        pauses.append(due - now)
        assert queue.take(1, due - 0.001) == []
        now = due
    assert pauses == [1, 2, 4, 8, 10, 10, 10]


def test_a_change_brings_back_what_waits_but_not_what_was_refused() -> None:
    queue = PendingQueue()
    for name in "abc":
        queue.add(pod(name))
    a, b, c = queue.take(3, 0)
    queue.fail(a, "no", 0)
    queue.refuse(b, 0)
    queue.fail(c, "no", 0)
    queue.wake()
    assert queue.next_due_s() == 0.0
    assert names(queue.take(9, 0.1)) == ["a", "c"]
    assert queue.next_due_s() == 1.0
    assert names(queue.take(9, 1.0)) == ["b"]


def test_a_woken_pod_that_fails_again_is_not_tried_at_its_old_time() -> None:
    queue = PendingQueue()
    queue.add(pod("a"))
    for now in (0.0, 0.5):
        [entry] = queue.take(1, now)
        queue.fail(entry, "no", now)
        if now == 0.0:
            queue.wake()
    assert queue.take(1, 1.0) == []
    assert names(queue.take(1, 2.5)) == ["a"]


def test_a_discarded_pod_is_never_taken() -> None:
    queue = PendingQueue()
    for name in "abc":
        queue.add(pod(name))
    [a] = queue.take(1, 0)
    queue.discard(("default", "a"))
    queue.discard(("default", "b"))
    assert not queue.has(a)
    assert not queue.fail(a, "no", 0)
    queue.wake()
    assert names(queue.take(9, 100)) == ["c"]
    assert len(queue) == 1


def test_another_pod_of_the_same_name_starts_anew() -> None:
    queue = PendingQueue()
    queue.add(pod("a"))
    [old] = queue.take(1, 0)
    queue.fail(old, "no", 0)
    assert queue.add(pod("a", uid="2"))
    [new] = queue.take(9, 0)
    assert (new.pod.uid, new.attempts) == ("a-2", 1)
    assert not queue.fail(old, "no", 0)


def test_a_changed_spec_is_tried_at_once() -> None:
    queue = PendingQueue()
    queue.add(pod("a"))
    [entry] = queue.take(1, 0)
    queue.fail(entry, "no", 0)
    assert queue.add(pod("a", profile=OTHER))
    [again] = queue.take(9, 0)
    assert again.pod.profile is OTHER
    assert not queue.add(pod("a", profile=PROFILE))  # It is being decided; no second time.


def test_the_same_reason_is_stored_once_and_new_ones_not_too_often() -> None:
    queue = PendingQueue()
    queue.add(pod("a"))

    def fail(message: str, now: float) -> bool:
        queue.wake()
        [entry] = queue.take(1, now)
        return queue.fail(entry, message, now)

    assert fail("x", 0)
    assert not fail("x", 1)
    assert not fail("y", 2)
    assert fail("y", 6)
    assert not fail("y", 60)


@pytest.mark.parametrize("count", [1000])
def test_a_wake_storm_leaves_one_entry_per_pod(count: int) -> None:
    queue = PendingQueue()
    for i in range(count):
        queue.add(pod(str(i)))
    for now in range(5):
        queue.wake()
        entries = queue.take(count * 2, now)
        assert len(entries) == count
        for entry in entries:
            queue.fail(entry, "no", now)
