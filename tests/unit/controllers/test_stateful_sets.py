"""Stateful sets: numbered pods in order, replaced one by one, never two of one name."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from podraft.api import codec
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import CONTROLLER_REVISION, POD, STATEFUL_SET
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_ready
from podraft.server.controllers.core.plan import Absent, ObjectKey, Plan
from podraft.server.controllers.manager import COMMIT_MAX
from podraft.server.controllers.planners.stateful_sets import plan as stateful_sets
from support.controller_world import RefusedError
from support.stale_world import LaggingWorld

KEY = ObjectKey("shop", "db")


def manifest(**spec: Any) -> Any:
    data = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {
            "replicas": 3,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{"name": "main", "image": "app:1"}]},
            },
            **spec,
        },
    }
    return codec.from_json(data)


class Cluster:
    """A world with one stateful set, whose pods start when told; broken images never do."""

    def __init__(self, **spec: Any) -> None:
        self.world = LaggingWorld()
        self.world.create(manifest(**spec))

    @property
    def stateful_set(self) -> Any:
        return self.world.get(STATEFUL_SET, "db", "shop")

    def change(self, change: Any) -> None:
        self.world.change(self.stateful_set, change)

    def set_image(self, image: str) -> None:
        self.change(lambda one: setattr(one.spec.template.spec.containers[0], "image", image))

    def scale(self, replicas: int) -> None:
        self.change(lambda one: setattr(one.spec, "replicas", replicas))

    def pod(self, number: int) -> Any:
        return self.world.get(POD, f"db-{number}", "shop")

    def made(self, snapshot: Any = None) -> Plan:
        return stateful_sets.plan(snapshot or self.world, KEY, Now.at(self.world.now))

    def plan(self, snapshot: Any = None) -> bool:
        plan = self.made(snapshot)
        assert len(plan.writes) <= COMMIT_MAX, "a plan is one transaction"
        # The manager asks the server before it commits such a plan.
        if any(self.exists(claim) for claim in plan.absent):
            return True
        self.world.commit(plan)
        return bool(plan.writes)

    def exists(self, claim: Absent) -> bool:
        return self.world.get(claim.kind, claim.name, claim.namespace) is not None

    def settle(self) -> None:
        for _ in range(30):
            if not self.plan():
                return
        raise AssertionError("the plans do not come to an end")

    def live(self, chance: random.Random | None = None) -> bool:
        """Let all pods, or one of them, take their next step; say whether there was one."""
        pods = list(self.world.list(POD))
        if chance is not None and pods:
            pods = [chance.choice(pods)]
        steps = [self.step(pod) for pod in pods]
        return any(steps)

    def step(self, pod: Any) -> bool:
        if is_deleting(pod.metadata):
            self.world.delete(pod, grace_s=0)
        elif not pod.spec.node_name:
            self.world.bind(pod, "n0")
        elif not is_ready(pod) and "broken" not in pod.spec.containers[0].image:
            self.world.set_ready(pod, True)
        else:
            return False
        return True

    def run(self) -> None:
        for _ in range(100):
            self.settle()
            if not self.live():
                return
        raise AssertionError("no end")

    def images(self) -> dict[str, str]:
        """Return the images by pod, without the common prefix."""
        return {
            pod.metadata.name: pod.spec.containers[0].image.removeprefix("app:")
            for pod in sorted(self.world.list(POD), key=lambda pod: pod.metadata.name)
        }

    def unavailable(self) -> int:
        wanted: int = self.stateful_set.spec.replicas
        return wanted - sum(map(is_ready, self.world.pods()))


def strategy(**rolling: Any) -> dict[str, Any]:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}


def all_of(image: str, *numbers: int) -> dict[str, str]:
    return {f"db-{number}": image for number in numbers}


def test_pods_come_one_after_the_other_with_names_that_stay() -> None:
    cluster = Cluster()
    for number in range(3):
        cluster.settle()
        assert list(cluster.images()) == [f"db-{below}" for below in range(number + 1)]
        cluster.live()
        cluster.settle()
        cluster.live()
    cluster.settle()
    pod = cluster.pod(1)
    assert (pod.spec.hostname, pod.spec.subdomain) == ("db-1", "db")
    assert pod.metadata.labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert pod.metadata.labels["apps.kubernetes.io/pod-index"] == "1"
    status = cluster.stateful_set.status
    assert pod.metadata.labels[well_known.REVISION_HASH_LABEL] == status.update_revision
    [revision] = cluster.world.list(CONTROLLER_REVISION)
    assert codec.to_json(status) == {
        "observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3,
        "updatedReplicas": 3, "availableReplicas": 3,
        "currentRevision": revision.metadata.name, "updateRevision": revision.metadata.name,
    }  # fmt: skip


def test_parallel_pods_come_and_go_at_once() -> None:
    cluster = Cluster(podManagementPolicy="Parallel")
    cluster.plan()
    assert list(cluster.images()) == ["db-0", "db-1", "db-2"]
    cluster.run()
    cluster.scale(0)
    cluster.plan()
    assert all(is_deleting(pod.metadata) for pod in cluster.world.list(POD))


def test_the_highest_number_goes_first_and_the_next_when_it_is_gone() -> None:
    cluster = Cluster()
    cluster.run()
    cluster.scale(0)
    for number in (2, 1, 0):
        cluster.settle()
        ending = [p.metadata.name for p in cluster.world.list(POD) if is_deleting(p.metadata)]
        assert ending == [f"db-{number}"]
        cluster.live()
    cluster.settle()
    assert cluster.images() == {}


def test_numbers_begin_where_the_spec_says() -> None:
    cluster = Cluster(ordinals={"start": 5}, replicas=2)
    cluster.run()
    assert list(cluster.images()) == ["db-5", "db-6"]
    cluster.change(lambda one: setattr(one.spec.ordinals, "start", 6))
    cluster.run()
    assert list(cluster.images()) == ["db-6", "db-7"]


def test_a_pod_is_made_anew_only_when_the_former_one_is_gone() -> None:
    cluster = Cluster(podManagementPolicy="Parallel")
    cluster.run()
    before = cluster.pod(1)
    cluster.world.delete(before)
    cluster.settle()
    assert cluster.pod(1).metadata.uid == before.metadata.uid
    cluster.run()
    assert cluster.pod(1).metadata.uid != before.metadata.uid


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@pytest.mark.parametrize(("bound", "most"), [(None, 1), (2, 2), ("50%", 3)])
@pytest.mark.parametrize("seed", range(3))
def test_a_rollout_leaves_enough_pods_and_goes_from_the_highest_number(
    seed: int, bound: Any, most: int, policy: str
) -> None:
    rolling = strategy(**({"maxUnavailable": bound} if bound else {}))
    cluster = Cluster(replicas=5, podManagementPolicy=policy, **rolling)
    cluster.run()
    former = cluster.stateful_set.status.current_revision
    cluster.set_image("app:2")
    chance = random.Random(seed)
    for _ in range(300):
        cluster.plan()
        cluster.live(chance)
        assert cluster.unavailable() <= most, f"seed {seed}"
        live = {pod.metadata.name for pod in cluster.world.pods()}
        found = {name for name, image in cluster.images().items() if image == "1"} & live
        old = [number for number in range(5) if f"db-{number}" in found]
        assert old == list(range(len(old))), "the lowest numbers are old the longest"
        if old and len(old) < 5:
            assert cluster.stateful_set.status.current_revision == former
    cluster.run()
    assert cluster.images() == all_of("2", *range(5))
    status = cluster.stateful_set.status
    assert status.current_revision == status.update_revision != former


def test_numbers_below_the_partition_keep_and_get_the_former_template() -> None:
    cluster = Cluster(**strategy(partition=2))
    cluster.run()
    cluster.set_image("app:2")
    cluster.run()
    assert cluster.images() == all_of("1", 0, 1) | all_of("2", 2)
    status = cluster.stateful_set.status
    assert (status.current_replicas, status.updated_replicas) == (2, 1)
    assert status.current_revision != status.update_revision
    cluster.world.delete(cluster.pod(0))
    cluster.world.delete(cluster.pod(2))
    cluster.run()
    assert cluster.images() == all_of("1", 0, 1) | all_of("2", 2)
    cluster.change(lambda one: setattr(one.spec.update_strategy.rolling_update, "partition", 0))
    cluster.run()
    assert cluster.images() == all_of("2", 0, 1, 2)


def test_without_the_former_revision_the_server_is_asked_before_the_present_one_is_used() -> None:
    cluster = Cluster(**strategy(partition=3))
    cluster.run()
    cluster.set_image("app:2")
    cluster.run()
    former = cluster.stateful_set.status.current_revision
    cluster.world.delete(cluster.world.get(CONTROLLER_REVISION, former, "shop"))
    assert cluster.made().absent == (Absent(CONTROLLER_REVISION, "shop", former),)
    cluster.world.delete(cluster.pod(1))
    cluster.run()
    assert cluster.images() == all_of("1", 0, 2) | all_of("2", 1)


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@pytest.mark.parametrize("then", ["app:1", "app:3"])
def test_a_broken_rollout_stops_and_is_repaired_by_the_next_template(
    policy: str, then: str
) -> None:
    cluster = Cluster(podManagementPolicy=policy)
    cluster.run()
    cluster.set_image("app:broken")
    cluster.run()
    assert cluster.images() == all_of("1", 0, 1) | all_of("broken", 2)
    cluster.set_image(then)
    cluster.run()
    assert cluster.images() == all_of(then.removeprefix("app:"), 0, 1, 2)


def test_a_set_that_was_broken_from_the_first_pod_is_repaired() -> None:
    cluster = Cluster()
    cluster.set_image("app:broken")
    cluster.run()
    assert cluster.images() == all_of("broken", 0)
    cluster.set_image("app:2")
    cluster.run()
    assert cluster.images() == all_of("2", 0, 1, 2)


def test_with_on_delete_a_pod_is_replaced_when_somebody_deletes_it() -> None:
    cluster = Cluster(updateStrategy={"type": "OnDelete"})
    cluster.run()
    cluster.set_image("app:2")
    cluster.world.set_ready(cluster.pod(2), False)
    cluster.settle()
    assert cluster.images() == all_of("1", 0, 1, 2)
    cluster.world.delete(cluster.pod(1))
    cluster.run()
    assert cluster.images() == all_of("1", 0, 2) | all_of("2", 1)


def test_a_pod_counts_when_it_was_ready_for_long_enough() -> None:
    cluster = Cluster(minReadySeconds=10)
    cluster.run()
    status = cluster.stateful_set.status
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (1, 1, 0)
    again_s = cluster.made().requeue_after_s
    assert again_s is not None
    assert 0 < again_s <= 10
    cluster.world.now += again_s
    cluster.run()
    assert list(cluster.images()) == ["db-0", "db-1"]


def test_a_pod_that_ended_is_made_anew_but_not_again_and_again() -> None:
    cluster = Cluster(replicas=1)
    cluster.run()
    cluster.world.finish(cluster.pod(0), "Failed", 1)
    before = cluster.pod(0)
    cluster.settle()
    assert cluster.pod(0).metadata.uid == before.metadata.uid
    cluster.world.now += cluster.made().requeue_after_s or 0.0
    cluster.run()
    assert cluster.pod(0).metadata.uid != before.metadata.uid
    assert is_ready(cluster.pod(0))


def stranger(name: str, **labels: str) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = name, "shop"
    pod.metadata.labels.update(labels)
    pod.spec.containers.add(name="main", image="other")
    return pod


def test_a_pod_of_somebody_else_is_in_the_way_of_its_number_only() -> None:
    cluster = Cluster(podManagementPolicy="Parallel")
    cluster.world.create(stranger("db-1", app="other"))
    [event] = [one for one in cluster.made().events if one.type == "Warning"]
    assert event.note == "pod db-1 exists, and belongs to somebody else: it is in the way"
    for _ in range(4):
        cluster.plan()
        cluster.live()
    assert cluster.stateful_set.status.replicas == 2
    assert cluster.made().requeue_after_s is not None
    cluster.world.delete(cluster.pod(1), grace_s=0)
    cluster.run()
    assert cluster.stateful_set.status.ready_replicas == 3


@pytest.mark.parametrize("name", ["db", "db-x", "db-01", "db--1", "other-0", "db-٣", "db-0-0"])
def test_an_orphan_whose_name_is_no_number_is_left_alone(name: str) -> None:
    cluster = Cluster()
    cluster.world.create(stranger(name, app="db"))
    cluster.run()
    assert not cluster.world.get(POD, name, "shop").metadata.owner_references
    assert cluster.stateful_set.status.replicas == 3


def test_pods_and_revision_that_a_deleted_set_left_behind_are_taken_over_as_they_are() -> None:
    cluster = Cluster()
    cluster.run()
    uids = {pod.metadata.uid for pod in cluster.world.list(POD)}
    cluster.world.delete(cluster.stateful_set)
    for obj in (*cluster.world.list(POD), *cluster.world.list(CONTROLLER_REVISION)):
        cluster.world.change(obj, lambda one: one.metadata.ClearField("owner_references"))
    cluster.world.change(
        cluster.pod(1), lambda pod: pod.metadata.labels.pop(well_known.POD_INDEX_LABEL)
    )
    cluster.world.create(manifest())
    cluster.run()
    own = owners.key_of(STATEFUL_SET, cluster.stateful_set)
    assert {p.metadata.uid for p in cluster.world.list(POD) if own.controls(p.metadata)} == uids
    [revision] = cluster.world.list(CONTROLLER_REVISION)
    assert own.controls(revision.metadata)
    assert cluster.pod(1).metadata.labels[well_known.POD_INDEX_LABEL] == "1"


def test_former_templates_are_kept_numbered_and_forgotten_in_time() -> None:
    cluster = Cluster(replicas=1, revisionHistoryLimit=2)
    for number in range(1, 6):
        cluster.set_image(f"app:{number + 1}")
        cluster.run()
    assert sorted(one.revision for one in cluster.world.list(CONTROLLER_REVISION)) == [3, 4, 5]
    cluster.set_image("app:5")
    cluster.run()
    assert sorted(one.revision for one in cluster.world.list(CONTROLLER_REVISION)) == [3, 5, 6]


def test_names_of_revisions_are_labels_however_long_the_name_of_the_set_is() -> None:
    world = LaggingWorld()
    made = manifest()
    made.metadata.name = "d" * 61
    world.create(made)
    world.commit(stateful_sets.plan(world, ObjectKey("shop", "d" * 61), Now.at(world.now)))
    [revision] = world.list(CONTROLLER_REVISION)
    assert len(revision.metadata.name) == 63


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_two_thousand_million_replicas_cost_no_more_than_a_few(policy: str) -> None:
    cluster = Cluster(replicas=2**31 - 1, podManagementPolicy=policy, ordinals={"start": 2**31 - 1})
    plan = cluster.made()
    assert len(plan.writes) <= COMMIT_MAX
    cluster.plan()
    assert f"db-{2**31 - 1}" in cluster.images()


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_killed_after_any_write_with_old_caches_it_ends_in_the_same_state(
    seed: int, torn: bool, policy: str
) -> None:
    chance = random.Random(seed)
    cluster = Cluster(podManagementPolicy=policy)
    for number in range(150):
        cluster.world.now += chance.choice([0.0, 1.0, 15.0])
        if number == 40:
            cluster.set_image("app:2")
        if number == 80:
            cluster.scale(5)
        if number == 110:
            cluster.scale(2)
        with contextlib.suppress(RefusedError):
            cluster.plan(cluster.world.stale(chance, lag_max=5, torn=torn))
        if chance.random() < 0.6:
            cluster.live(chance)
    cluster.run()
    assert cluster.images() == all_of("2", 0, 1), f"seed {seed}"
    status = cluster.stateful_set.status
    assert status.current_revision == status.update_revision
    former, current = sorted(cluster.world.list(CONTROLLER_REVISION), key=lambda one: one.revision)
    assert b"app:1" in former.data.raw
    assert b"app:2" in current.data.raw
