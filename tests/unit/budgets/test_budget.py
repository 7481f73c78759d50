"""Budgets: what one identity takes is never more than its own, nor its role's sum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.server.budgets.budget import (
    LIMITS,
    Budgets,
    Exceeded,
    Limits,
    Rate,
    Resource,
    Role,
    RoleLimits,
)


def small(each, in_sum, per_s=0.0, burst=0.0):
    of_each = dict.fromkeys(Resource, each)
    rate = Rate(per_s, burst)
    role = RoleLimits(Limits(of_each, rate, rate), dict.fromkeys(Resource, in_sum))
    return Budgets(dict.fromkeys(Role, role))


def test_one_identity_has_its_own_limit_and_a_role_its_sum():
    budgets = small(each=2, in_sum=3)
    first, second = (budgets.holder(Role.OTHERS, name) for name in ("a", "b"))
    assert [first.take(Resource.CALLS) for _ in range(2)] == [None, None]
    assert first.take(Resource.CALLS) == Exceeded(Resource.CALLS, 2, "a")
    assert second.take(Resource.CALLS) is None
    refused = second.take(Resource.CALLS)
    assert refused == Exceeded(Resource.CALLS, 3, "all nodes")
    assert "at most 3 calls at once" in str(refused)
    first.give_back(Resource.CALLS)
    assert second.take(Resource.CALLS) is None


def test_what_nodes_take_is_not_taken_from_administrators():
    budgets = small(each=2, in_sum=2)
    node, admin = budgets.holder(Role.OTHERS, "n"), budgets.holder(Role.ADMINISTRATORS, "n")
    for resource in Resource:
        assert node.take(resource, 2) is None
        assert admin.take(resource, 2) is None


def test_what_is_larger_than_the_limit_passes_alone():
    budgets = small(each=10, in_sum=20)
    holder, other = budgets.holder(Role.OTHERS, "a"), budgets.holder(Role.OTHERS, "b")
    assert holder.take(Resource.ANSWERS, 50) is None
    assert holder.take(Resource.ANSWERS, 1) is not None
    assert other.take(Resource.ANSWERS, 1) is not None
    holder.give_back(Resource.ANSWERS, 50)
    assert other.take(Resource.ANSWERS, 1) is None


def test_calls_beyond_the_rate_wait_and_those_that_would_wait_long_are_refused():
    budgets = small(each=1, in_sum=1, per_s=10.0, burst=20.0)
    holder = budgets.holder(Role.OTHERS, "a")
    assert [holder.charge(1, now_s=100.0) for _ in range(20)] == [0.0] * 20
    waits = [holder.charge(1, now_s=100.0) for _ in range(60)]
    delays = [wait for wait in waits if not isinstance(wait, Exceeded)]
    assert delays == sorted(delays)
    assert delays[1] == pytest.approx(0.1)
    refused = waits[-1]
    assert isinstance(refused, Exceeded)
    assert refused.resource is Resource.RATE
    assert refused.retry_s > 4.0
    # After a pause it may go on at once.
    assert holder.charge(1, now_s=200.0) == 0.0


def test_new_events_beyond_their_rate_are_refused():
    budgets = small(each=1, in_sum=1, per_s=2.0, burst=10.0)
    holder = budgets.holder(Role.OTHERS, "a")
    refused = [holder.charge_event(now_s=50.0) for _ in range(20)]
    assert [each is None for each in refused] == [True] * 11 + [False] * 9
    assert "Events per second" in str(refused[-1])
    assert holder.charge_event(now_s=51.0) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(Resource), st.integers(1, 9)), max_size=60
    )
)
def test_whatever_is_taken_no_sum_is_exceeded_and_all_of_it_comes_back(wanted):
    budgets = small(each=12, in_sum=20)
    taken = []
    for name, resource, amount in wanted:
        holder = budgets.holder(Role.OTHERS, name)
        if holder.take(resource, amount) is None:
            taken.append((holder, resource, amount))
        assert holder.used[resource] <= 12
    uses = {use.resource: use for use in budgets.uses() if use.role is Role.OTHERS}
    assert all(use.used <= 20 for use in uses.values())
    for holder, resource, amount in taken:
        holder.give_back(resource, amount)
    assert all(use.used == 0 for use in budgets.uses())


def test_whoever_holds_something_is_remembered_however_many_come():
    budgets = small(each=5, in_sum=1_000_000)
    kept = budgets.holder(Role.OTHERS, "kept")
    kept.take(Resource.WATCHES)
    for number in range(20_000):
        budgets.holder(Role.OTHERS, f"passing-{number}")
    assert budgets.holder(Role.OTHERS, "kept") is kept


def test_the_sums_of_nodes_leave_room_in_memory():
    nodes = LIMITS[Role.OTHERS].in_sum
    # 8 MiB for each request that is being received, answers twice.
    answers = nodes[Resource.ANSWERS] + nodes[Resource.LARGE_ANSWERS]
    assert nodes[Resource.RECEIVING] * 8 + 2 * answers // 2**20 <= 240
