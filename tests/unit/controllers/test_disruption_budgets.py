"""Disruption budgets: what they allow follows from what there is and what there should be."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.kinds import BUILT_IN, DEPLOYMENT, POD, POD_DISRUPTION_BUDGET, REPLICA_SET
from podraft.api.moments import Now
from podraft.api.objects import conditions, owners
from podraft.server.controllers.core.controller import ControllerOptions
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.disruption_budgets.controller import controller
from podraft.server.controllers.planners.disruption_budgets.plan import plan
from support.api_objects import example
from support.controller_world import RefusedError, World

KEY = ObjectKey("shop", "web")


def world_with(spec: dict[str, Any], replicas: int = 0) -> World:
    """A budget; and a Deployment, its ReplicaSet and as many ready pods, if there are any."""
    world = World()
    made: Any = codec.from_json(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec},
        }
    )
    world.create(made)
    if replicas:
        deployment = example(DEPLOYMENT, "web", "shop")
        deployment.spec.replicas = replicas
        above = world.create(deployment)
        replica_set = example(REPLICA_SET, "web-1", "shop")
        replica_set.spec.replicas = replicas
        replica_set.metadata.owner_references.append(owners.controller_reference(DEPLOYMENT, above))
        owner = world.create(replica_set)
        for number in range(replicas):
            add_pod(world, f"web-{number}", owners.controller_reference(REPLICA_SET, owner))
    return world


def add_pod(world: World, name: str, *references: Any, ready: bool = True) -> Any:
    pod = example(POD, name, "shop", labels={"app": "web"})
    pod.spec.node_name, pod.status.phase = "n0", "Running"
    pod.status.conditions.add(type="Ready", status="True" if ready else "False")
    pod.metadata.owner_references.extend(references)
    return world.create(pod)


def settled(world: World) -> Any:
    """Return the status after planning until nothing is left to write."""
    for _ in range(2):
        world.commit(plan(world, KEY, Now.at(world.now)))
    assert not plan(world, KEY, Now.at(world.now)).writes, "a plan comes to an end"
    return world.get(POD_DISRUPTION_BUDGET, "web", "shop").status


def numbers(status: Any) -> tuple[int, int, int, int]:
    return (
        status.expected_pods,
        status.desired_healthy,
        status.current_healthy,
        status.disruptions_allowed,
    )


def evict(world: World, *names: str) -> None:
    """Note evictions in the budget as the API server does."""

    def note(budget: Any) -> None:
        for name in names:
            budget.status.disrupted_pods[name].seconds = int(world.now)
            budget.status.disruptions_allowed -= 1

    world.change(world.get(POD_DISRUPTION_BUDGET, "web", "shop"), note)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"minAvailable": 2}, (5, 2, 5, 3)),
        ({"minAvailable": 9}, (5, 9, 5, 0)),
        ({"minAvailable": "50%"}, (5, 3, 5, 2)),
        ({"minAvailable": "100%"}, (5, 5, 5, 0)),
        ({"maxUnavailable": 1}, (5, 4, 5, 1)),
        ({"maxUnavailable": 9}, (5, 0, 5, 5)),
        ({"maxUnavailable": "30%"}, (5, 3, 5, 2)),
        ({"maxUnavailable": 0}, (5, 5, 5, 0)),
    ],
)
def test_percentages_are_of_what_the_owners_want_and_rounded_up(
    spec: dict[str, Any], expected: tuple[int, ...]
) -> None:
    status = settled(world_with(spec, 5))
    assert numbers(status) == expected
    found = conditions.find(status.conditions, "DisruptionAllowed")
    assert found is not None
    assert (found.status, found.observed_generation) == (str(expected[3] > 0), 1)
    assert status.observed_generation == 1


def test_a_deployment_counts_with_its_own_number_whatever_its_replica_sets_have() -> None:
    world = world_with({"maxUnavailable": 1}, 4)
    world.change(
        world.get(REPLICA_SET, "web-1", "shop"), lambda one: setattr(one.spec, "replicas", 1)
    )
    assert numbers(settled(world)) == (4, 3, 4, 1)
    world.change(world.get(DEPLOYMENT, "web", "shop"), lambda one: setattr(one.spec, "replicas", 6))
    assert numbers(settled(world)) == (6, 5, 4, 0)


def test_bare_pods_are_counted_for_a_number_and_are_none_for_a_share() -> None:
    for spec, expected in (
        ({"minAvailable": 1}, (2, 1, 2, 1)),
        ({"minAvailable": "50%"}, (0, 0, 2, 0)),
        ({"maxUnavailable": 1}, (0, 0, 2, 0)),
    ):
        world = world_with(spec)
        add_pod(world, "a")
        add_pod(world, "b")
        assert numbers(settled(world)) == expected


@pytest.mark.parametrize("kind", ["Job", "Unheard"])
def test_what_cannot_be_counted_allows_nothing_and_says_why(kind: str) -> None:
    world = world_with({"maxUnavailable": 1}, 3)
    assert settled(world).disruptions_allowed == 1
    reference = owners.controller_reference(REPLICA_SET, world.get(REPLICA_SET, "web-1", "shop"))
    reference.kind, reference.name = kind, "sums"
    add_pod(world, "odd", reference)
    status = settled(world)
    assert (status.disruptions_allowed, status.current_healthy) == (0, 4)
    found = conditions.find(status.conditions, "DisruptionAllowed")
    assert found is not None
    assert (found.status, found.reason) == ("False", "SyncFailed")
    assert f"pod odd belongs to {kind} sums" in found.message


def test_only_ready_pods_that_stay_are_healthy() -> None:
    world = world_with({"minAvailable": 1}, 3)
    world.set_ready(world.get(POD, "web-0", "shop"), False)
    world.delete(world.get(POD, "web-1", "shop"))
    assert numbers(settled(world)) == (3, 1, 1, 0)
    world.change(
        world.get(POD, "web-0", "shop"), lambda pod: setattr(pod.status, "phase", "Failed")
    )
    assert numbers(settled(world)) == (2, 1, 1, 0)


def test_an_evicted_pod_does_not_count_until_its_end_is_seen() -> None:
    world = world_with({"minAvailable": 1}, 3)
    settled(world)
    evict(world, "web-0", "web-1", "gone")
    status = settled(world)
    assert numbers(status) == (3, 1, 1, 0)
    assert set(status.disrupted_pods) == {"web-0", "web-1"}
    world.delete(world.get(POD, "web-0", "shop"))
    status = settled(world)
    assert set(status.disrupted_pods) == {"web-1"}
    assert status.current_healthy == 1
    again_s = plan(world, KEY, Now.at(world.now)).requeue_after_s
    assert again_s
    world.now += again_s
    status = settled(world)
    assert (status.current_healthy, len(status.disrupted_pods)) == (2, 0)
    assert plan(world, KEY, Now.at(world.now)).requeue_after_s is None


def test_a_pod_made_anew_under_its_name_was_not_evicted() -> None:
    world = world_with({"minAvailable": 1})
    add_pod(world, "db-0")
    settled(world)
    evict(world, "db-0")
    assert settled(world).current_healthy == 0
    world.delete(world.get(POD, "db-0", "shop"), grace_s=0)
    world.now += 1
    add_pod(world, "db-0")
    status = settled(world)
    assert (status.current_healthy, len(status.disrupted_pods)) == (1, 0)


def test_an_eviction_that_comes_in_between_is_never_overwritten() -> None:
    world = world_with({"minAvailable": 1}, 3)
    settled(world)
    world.set_ready(world.get(POD, "web-2", "shop"), False)
    late = plan(world, KEY, Now.at(world.now))
    assert late.writes
    evict(world, "web-0")
    with pytest.raises(RefusedError):
        world.commit(late)
    assert settled(world).disruptions_allowed == 0


def test_every_change_that_alters_the_status_wakes_the_budget() -> None:
    triggers = controller(ControllerOptions(), BUILT_IN).triggers

    def woken(world: World, kind: Any, name: str, change: Any) -> bool:
        old = world.get(kind, name, "shop")
        world.change(old, change)
        return KEY in set(triggers[kind](world, old, world.get(kind, name, "shop")))

    def unready(pod: Any) -> None:
        pod.status.conditions[0].status = "False"

    def changed(path: str, value: Any) -> Any:
        *way, last = path.split(".")

        def change(obj: Any) -> None:
            for step in way:
                obj = getattr(obj, step)
            setattr(obj, last, value)

        return change

    world = world_with({"maxUnavailable": 1}, 3)
    assert woken(world, POD, "web-0", unready)
    assert woken(world, POD, "web-0", changed("status.phase", "Failed"))
    assert woken(world, POD, "web-1", lambda pod: pod.metadata.labels.clear())
    assert woken(world, POD, "web-1", lambda pod: pod.metadata.labels.update(app="web"))
    assert not woken(world, POD, "web-2", changed("status.pod_ip", "10.0.0.1"))
    world.change(
        world.get(POD, "web-2", "shop"), lambda pod: pod.metadata.finalizers.append("a.b/stay")
    )
    assert woken(world, POD, "web-2", changed("metadata.deletion_timestamp.seconds", 1))
    assert woken(world, DEPLOYMENT, "web", changed("spec.replicas", 7))
    assert not woken(world, DEPLOYMENT, "web", changed("spec.paused", True))
    assert {kinds.STATEFUL_SET, REPLICA_SET} <= set(triggers)
