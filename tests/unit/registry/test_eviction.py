"""Evictions: never more than a budget allows, and none of what budgets are not about."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.meta.v1 import requests_pb2
from podraft.server.registry import keys
from podraft.server.registry.errors import Code, RefusedError
from podraft.server.registry.writes.operations import Create, Evict, Update
from support.api_objects import example
from unit.registry.test_planning import NOW, Store

BUDGETS = kinds.POD_DISRUPTION_BUDGET


def pod(name: str, phase: str = "Running", *, ready: bool = True) -> Any:
    made = example(kinds.POD, name, labels={"app": "web"})
    made.spec.node_name = "n1"
    made.status.phase = phase
    made.status.conditions.add(type="Ready", status="True" if ready else "False")
    return made


def budget(name: str = "one", selector: dict[str, str] | None = None, **status: int) -> Any:
    made = example(BUDGETS, name)
    made.spec.ClearField("selector")
    if selector is not None:
        made.spec.selector.SetInParent()
        made.spec.selector.match_labels.update(selector)
    for field, number in {"observed_generation": 1, **status}.items():
        setattr(made.status, field, number)
    return made


def world(*objects: Any) -> Store:
    store = Store()
    for one in objects:
        kind = kinds.BUILT_IN.of(one)
        store.commit(Create(kind, one))
        store.commit(Update(kind, one, "status"))
    return store


def evict(*names: str) -> list[Evict]:
    return [Evict(requests_pb2.DeleteRequest(namespace="default", name=name)) for name in names]


def budget_in(store: Store, name: str = "one") -> Any:
    record = store.records[keys.of_object(BUDGETS, "default", name)]
    return BUDGETS.message.FromString(record.value)


def remaining(store: Store) -> set[str]:
    """The pods whose end has not begun."""
    found = (
        kinds.POD.message.FromString(r.value) for k, r in store.records.items() if k[:5] == b"pods/"
    )
    return {one.metadata.name for one in found if not one.metadata.HasField("deletion_timestamp")}


def test_a_budget_is_charged_in_the_evictions_own_transaction() -> None:
    app = {"app": "web"}
    store = world(pod("a"), pod("b"), pod("c"), budget(selector=app, disruptions_allowed=2))
    store.commit(*evict("a", "b"))
    after = budget_in(store).status
    assert after.disruptions_allowed == 0
    assert {name: time.seconds for name, time in after.disrupted_pods.items()} == dict.fromkeys(
        ("a", "b"), int(NOW.timestamp())
    )
    assert remaining(store) == {"c"}
    with pytest.raises(RefusedError, match='disruption budget "one" needs') as caught:
        store.commit(*evict("c"))
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert remaining(store) == {"c"}


def test_evictions_that_a_budget_does_not_allow_together_change_nothing() -> None:
    store = world(pod("a"), pod("b"), budget(selector={}, disruptions_allowed=1))
    with pytest.raises(RefusedError, match=r"writes\[1\]"):
        store.commit(*evict("a", "b"))
    assert remaining(store) == {"a", "b"}
    assert budget_in(store).status.disruptions_allowed == 1


@pytest.mark.parametrize(
    "budgets",
    [
        [],
        [budget(selector=None)],
        [budget(selector={"app": "another"})],
    ],
)
def test_a_pod_that_no_budget_covers_is_evicted(budgets: list[Any]) -> None:
    store = world(pod("a"), *budgets)
    store.commit(*evict("a"))
    assert not remaining(store)


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
def test_what_does_not_run_is_evicted_whatever_budgets_say(phase: str) -> None:
    store = world(pod("a", phase), budget(selector={}))
    store.commit(*evict("a"))
    assert not remaining(store)


@pytest.mark.parametrize(
    ("policy", "status", "is_evicted"),
    [
        ("", {"current_healthy": 1, "desired_healthy": 2}, False),
        ("IfHealthyBudget", {"current_healthy": 2, "desired_healthy": 2}, True),
        ("IfHealthyBudget", {}, False),
        ("AlwaysAllow", {"current_healthy": 0, "desired_healthy": 2}, True),
    ],
)
def test_an_unready_pod_costs_nothing_where_its_budget_lets_it_go(
    policy: str, status: Any, is_evicted: bool
) -> None:
    one = budget(selector={}, **status)
    one.spec.unhealthy_pod_eviction_policy = policy
    store = world(pod("a", ready=False), one)
    if is_evicted:
        store.commit(*evict("a"))
        assert not budget_in(store).status.disrupted_pods
    else:
        with pytest.raises(RefusedError, match="budget"):
            store.commit(*evict("a"))
    assert bool(remaining(store)) is not is_evicted


def test_a_budget_that_was_changed_since_it_was_counted_allows_nothing() -> None:
    one = budget(selector={}, disruptions_allowed=5, observed_generation=0)
    store = world(pod("a"), one)
    with pytest.raises(RefusedError, match="has not been counted"):
        store.commit(*evict("a"))


def test_several_budgets_for_one_pod_are_named() -> None:
    both = [budget(name, selector={}, disruptions_allowed=5) for name in ("x", "y")]
    store = world(pod("a"), *both)
    with pytest.raises(RefusedError, match=r"several disruption budgets \(x, y\)") as caught:
        store.commit(*evict("a"))
    assert caught.value.code is Code.FAILED_PRECONDITION
