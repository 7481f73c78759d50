"""A Deployment's parts one by one: bounds, proportions, conditions, what one pass may write."""

import random

import pytest

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.kinds import DEPLOYMENT, REPLICA_SET
from podraft.api.moments import Now
from podraft.api.objects import conditions, well_known
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.deployments import history as histories
from podraft.server.controllers.planners.deployments import plan as deployments
from podraft.server.controllers.planners.deployments import scaling, status
from podraft.server.controllers.planners.deployments.history import History
from podraft.server.controllers.planners.deployments.scaling import Bounds
from support.controller_world import START, World

KEY = ObjectKey("shop", "web")
NEW_AVAILABLE, TIMED_OUT = status.NEW_AVAILABLE, status.TIMED_OUT


def deployment_of(replicas, *, surge=None, unavailable=None, strategy="RollingUpdate"):
    deployment = deployment_pb2.Deployment()
    deployment.metadata.name, deployment.metadata.namespace = "web", "shop"
    deployment.spec.replicas = replicas
    deployment.spec.strategy.type = strategy
    deployment.spec.selector.match_labels["app"] = "web"
    deployment.spec.template.metadata.labels["app"] = "web"
    deployment.spec.template.spec.containers.add(name="main", image="app:1")
    for field, value in (("max_surge", surge), ("max_unavailable", unavailable)):
        if value is not None:
            target = getattr(deployment.spec.strategy.rolling_update, field)
            if isinstance(value, str):
                target.type, target.str_val = 1, value
            else:
                target.int_val = value
    return deployment


def replica_set_of(name, replicas, *, age_s=0, most=None, desired=None, available=0):
    made = replica_set_pb2.ReplicaSet()
    made.metadata.name = name
    made.metadata.creation_timestamp.seconds = int(START) - age_s
    made.spec.replicas = replicas
    made.status.replicas, made.status.available_replicas = replicas, available
    for key, value in ((well_known.REPLICAS_MAX, most), (well_known.DESIRED_REPLICAS, desired)):
        if value is not None:
            made.metadata.annotations[key] = str(value)
    return made


# ---- Bounds ----


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (100, None, None, Bounds(100, 25, 25)),
        (10, None, None, Bounds(10, 3, 2)),
        (1, None, None, Bounds(1, 1, 0)),
        (0, None, None, Bounds(0, 0, 0)),
        (200, "10%", "20%", Bounds(200, 20, 40)),
        (3, 7, 7, Bounds(3, 7, 3)),
        (10, 0, "5%", Bounds(10, 0, 1)),
        # Of a time before admission refused them.
        (100, "9999999999%", "x%", Bounds(100, 25, 25)),
        (1, "999999999%", 0, Bounds(1, 10_000_000, 0)),
    ],
)
def test_bounds_round_surge_up_and_unavailable_down(replicas, surge, unavailable, expected):
    deployment = deployment_of(replicas, surge=surge, unavailable=unavailable)
    assert scaling.bounds_of(deployment) == expected


def test_recreate_may_stop_all_and_one_replica_is_the_default():
    deployment = deployment_of(5, surge=3, strategy="Recreate")
    assert scaling.bounds_of(deployment) == Bounds(5, 0, 5)
    deployment.spec.ClearField("replicas")
    assert scaling.bounds_of(deployment) == Bounds(1, 0, 1)


# ---- Proportions ----


@pytest.mark.parametrize(
    ("before", "most", "wanted", "surge", "expected"),
    [
        # Sizes of the old ones (the oldest first) and the new one; the annotation; what comes out.
        ([5, 5], 10, 20, 0, [10, 10]),
        ([6, 4], 10, 20, 0, [12, 8]),
        ([6, 4], 10, 5, 0, [3, 2]),
        ([5, 5], 10, 0, 3, [0, 0]),
        ([5, 5], 10, 7, 0, [3, 4]),
        ([5, 5], 10, 13, 0, [6, 7]),
        ([8, 5], 13, 15, 3, [11, 7]),
        ([1, 1, 1], 3, 4, 0, [1, 1, 2]),
        ([3, 2, 1], 6, 12, 0, [6, 4, 2]),
        ([3, 2, 1], 6, 3, 0, [1, 1, 1]),
    ],
)
def test_a_new_total_is_shared_in_proportion(before, most, wanted, surge, expected):
    sets = [
        replica_set_of(f"rs{place}", size, age_s=100 - place, most=most, desired=most)
        for place, size in enumerate(before)
    ]
    history = History(sets[-1], tuple(sets[:-1]))
    sizes = scaling.scaled(deployment_of(wanted, surge=surge, unavailable=1), history)
    assert [sizes[rs.metadata.name] for rs in sets] == expected


@pytest.mark.parametrize("seed", range(40))
def test_however_it_is_shared_the_total_is_right_and_nobody_goes_the_other_way(seed):
    chance = random.Random(seed)
    before = [chance.randint(1, 9) for _ in range(chance.randint(2, 4))]
    most = chance.choice([None, sum(before), sum(before) + 2])
    sets = [
        replica_set_of(f"rs{place}", size, age_s=chance.randint(0, 3), most=most)
        for place, size in enumerate(before)
    ]
    wanted, surge = chance.randint(0, 40), chance.randint(0, 3)
    deployment = deployment_of(wanted, surge=surge, unavailable=1)
    deployment.status.replicas = chance.choice([0, sum(before)])
    sizes = scaling.scaled(deployment, History(sets[-1], tuple(sets[:-1])))
    total = wanted + surge if wanted else 0
    assert sum(sizes.values()) == total
    for rs in sets:
        size = sizes[rs.metadata.name]
        assert size >= 0
        assert (size - rs.spec.replicas) * (total - sum(before)) >= 0


def test_the_only_one_with_pods_is_sized_alone_and_a_saturated_one_ends_the_others():
    deployment = deployment_of(6, surge=1, unavailable=1)
    old, new = replica_set_of("old", 3, age_s=9), replica_set_of("new", 0)
    assert scaling.scaled(deployment, History(new, (old,))) == {"old": 6}
    old.spec.replicas = 0
    assert scaling.scaled(deployment, History(new, (old,))) == {"new": 6}
    assert scaling.scaled(deployment, History(None, (new, old))) == {"old": 6}
    full = replica_set_of("new", 6, desired=6, available=6)
    old.spec.replicas = 2
    empty = replica_set_of("empty", 0)
    assert scaling.scaled(deployment, History(full, (empty, old))) == {"old": 0}
    full.status.available_replicas = 5
    assert scaling.scaled(deployment, History(full, (old,))) != {"old": 0}
    recreating = deployment_of(6, strategy="Recreate")
    assert scaling.scaled(recreating, History(full, (old,))) == {}


# ---- Conditions ----


def observed(deployment, sets=(), *, step=None, after_s=0.0):
    """Return the status, and keep it as the Deployment's own."""
    bounds = scaling.bounds_of(deployment)
    history = History(sets[0] if sets else None, tuple(sets[1:]))
    now = Now.at(START + after_s)
    made = status.status_of(deployment, history, bounds, step or status.Step(), now)
    deployment.status.CopyFrom(made)
    return {condition.type: (condition.status, condition.reason) for condition in made.conditions}


def running(name, replicas, ready):
    made = replica_set_of(name, replicas, available=ready)
    made.status.ready_replicas = ready
    return made


def test_a_deployment_is_available_from_its_least_number_on():
    deployment = deployment_of(4, surge=0, unavailable=1)
    found = [observed(deployment, [running("a", 4, ready)])["Available"] for ready in (2, 3, 4)]
    assert found == [
        ("False", "MinimumReplicasUnavailable"),
        ("True", "MinimumReplicasAvailable"),
        ("True", "MinimumReplicasAvailable"),
    ]


def test_counts_are_sums_over_all_replica_sets():
    deployment = deployment_of(4, surge=0, unavailable=1)
    deployment.metadata.generation = 7
    old, new = running("old", 3, 2), running("new", 2, 1)
    old.status.terminating_replicas = 1
    observed(deployment, [new, old])
    counts = deployment.status
    assert (counts.replicas, counts.updated_replicas, counts.ready_replicas) == (5, 2, 3)
    assert (counts.available_replicas, counts.unavailable_replicas) == (3, 2)
    assert (counts.terminating_replicas, counts.observed_generation) == (1, 7)


def test_progress_is_told_step_by_step():
    deployment = deployment_of(2, surge=0, unavailable=1)
    step = status.Step(created="web-1")
    reasons = [observed(deployment, step=step)["Progressing"]]
    reasons += [
        observed(deployment, [running("web-1", 2, ready)])["Progressing"]
        for ready in (0, 1, 2, 2, 1)
    ]
    deployment.spec.paused = True
    reasons.append(observed(deployment, [running("web-1", 2, 1)])["Progressing"])
    deployment.spec.paused = False
    reasons.append(observed(deployment, [running("web-1", 2, 1)])["Progressing"])
    assert reasons == [
        ("True", "NewReplicaSetCreated"),
        ("True", "ReplicaSetUpdated"),
        ("True", "ReplicaSetUpdated"),
        ("True", NEW_AVAILABLE),
        ("True", NEW_AVAILABLE),
        # It was complete: a pod that fails later is no failed rollout.
        ("True", NEW_AVAILABLE),
        ("Unknown", "DeploymentPaused"),
        ("Unknown", "DeploymentResumed"),
    ]
    # A next rollout begins where the last one was complete.
    deployment.status.conditions[1].reason = NEW_AVAILABLE
    old, new = running("web-1", 2, 1), running("web-2", 1, 0)
    deployment.status.updated_replicas = 1
    deployment.status.replicas = 3
    assert observed(deployment, [new, old])["Progressing"] == ("True", "ReplicaSetUpdated")


def test_what_does_not_move_times_out_once_its_deadline_has_passed_and_moves_again():
    deployment = deployment_of(3, surge=0, unavailable=1)
    deployment.spec.progress_deadline_seconds = 10
    found = []
    for after_s, ready in ((0, 0), (0, 1), (10, 1), (11, 1), (12, 1), (13, 2)):
        conditions = observed(deployment, [running("web", 3, ready)], after_s=after_s)
        due_s = status.deadline_in_s(deployment, deployment.status, 3, Now.at(START + after_s))
        found.append((*conditions["Progressing"], due_s))
    assert found == [
        ("True", "ReplicaSetUpdated", 11),
        ("True", "ReplicaSetUpdated", 11),
        ("True", "ReplicaSetUpdated", 1),
        ("False", TIMED_OUT, None),
        ("False", TIMED_OUT, None),
        ("True", "ReplicaSetUpdated", 11),
    ]


def test_there_is_no_deadline_for_what_is_paused_complete_or_may_take_for_ever():
    deployment = deployment_of(1)
    now = Now.at(START)
    assert status.deadline_in_s(deployment, deployment.status, 1, now) is None
    observed(deployment, [running("web", 1, 0)])
    assert status.deadline_in_s(deployment, deployment.status, 1, now) == 601
    deployment.spec.paused = True
    assert status.deadline_in_s(deployment, deployment.status, 1, now) is None
    deployment.spec.paused = False
    deployment.spec.progress_deadline_seconds = 2**31 - 1
    assert status.deadline_in_s(deployment, deployment.status, 1, now) is None
    assert "Progressing" not in observed(deployment, [running("web", 1, 0)])
    deployment.spec.progress_deadline_seconds = 5
    observed(deployment, [running("web", 1, 1)])
    assert status.deadline_in_s(deployment, deployment.status, 1, now) is None


# ---- One pass ----


def planned(world):
    return deployments.plan(world, KEY, Now.at(world.now))


def converged(deployment):
    world = World()
    world.create(deployment)
    while (plan := planned(world)).writes:
        world.commit(plan)
    return world


def test_a_deployment_that_is_being_deleted_only_reports():
    world = converged(deployment_of(2))
    stored = world.get(DEPLOYMENT, "web", "shop")
    world.change(stored, lambda d: d.metadata.finalizers.append("example.com/held"))
    world.delete(world.get(DEPLOYMENT, "web", "shop"))
    world.change(world.get(DEPLOYMENT, "web", "shop"), lambda d: setattr(d.spec, "replicas", 9))
    plan = planned(world)
    assert [write.update.subresource for write in plan.writes] == ["status"]


def test_a_replica_set_that_does_not_match_any_more_is_released_unless_it_goes():
    world = converged(deployment_of(2))
    [made] = world.list(REPLICA_SET)
    world.change(made, lambda rs: rs.metadata.labels.update({"app": "another"}))
    [made] = world.list(REPLICA_SET)
    released = [write for write in planned(world).writes if write.HasField("patch")]
    assert len(released) == 1
    world.change(made, lambda rs: rs.metadata.finalizers.append("example.com/held"))
    world.delete(world.list(REPLICA_SET)[0])
    assert not [write for write in planned(world).writes if write.HasField("patch")]


@pytest.mark.parametrize(("limit", "kept"), [(None, 10), (0, 0), (3, 3)])
def test_old_empty_replica_sets_are_forgotten_beyond_the_limit_the_oldest_first(limit, kept):
    deployment = deployment_of(1)
    if limit is not None:
        deployment.spec.revision_history_limit = limit
    old = []
    for number in range(14):
        one = replica_set_of(f"rs{number}", 0, age_s=number)
        one.metadata.annotations[well_known.REVISION] = str(number + 1)
        old.append(one)
    gone = histories.forgettable(deployment, History(None, tuple(old)))
    assert [rs.metadata.name for rs in gone] == [f"rs{number}" for number in range(14 - kept)]
    # One that has pods, or whose status is not yet of its spec, stays.
    old[0].spec.replicas = 1
    old[1].status.replicas = 1
    old[2].metadata.generation = 1
    gone = histories.forgettable(deployment, History(None, tuple(old)))
    assert not {"rs0", "rs1", "rs2"} & {rs.metadata.name for rs in gone}


def test_nothing_is_forgotten_before_the_rollout_is_complete():
    deployment = deployment_of(1)
    deployment.spec.revision_history_limit = 0
    world = converged(deployment)
    world.change(
        world.get(DEPLOYMENT, "web", "shop"),
        lambda d: setattr(d.spec.template.spec.containers[0], "image", "app:2"),
    )
    for _ in range(5):
        plan = planned(world)
        assert not [write for write in plan.writes if write.HasField("delete")]
        world.commit(plan)
    assert conditions.find(world.get(DEPLOYMENT, "web", "shop").status.conditions, "Progressing")


def test_a_new_replica_set_says_for_which_total_it_was_sized():
    world = converged(deployment_of(4, surge=1, unavailable=0))
    [made] = world.list(REPLICA_SET)
    annotations = made.metadata.annotations
    assert (annotations[well_known.DESIRED_REPLICAS], annotations[well_known.REPLICAS_MAX]) == (
        "4",
        "5",
    )


def test_the_replica_set_that_says_the_same_is_meant_before_one_that_spells_it_otherwise():
    deployment = deployment_of(1)
    exact, other = replica_set_of("exact", 1, age_s=1), replica_set_of("other", 1, age_s=9)
    for made in (exact, other):
        made.spec.template.CopyFrom(deployment.spec.template)
    other.spec.template.spec.restart_policy = "Always"
    history = histories.history_of(deployment, [exact, other])
    assert [rs.metadata.name for rs in history.all] == ["exact", "other"]
    # Without it, the one that means the same.
    assert histories.history_of(deployment, [other]).new is other
