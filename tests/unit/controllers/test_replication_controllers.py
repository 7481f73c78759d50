"""Replication controllers: the number of pods that is wanted, found by labels alone."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from podraft.api import codec, scales
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import POD, REPLICATION_CONTROLLER
from podraft.api.moments import Now
from podraft.api.objects import owners
from podraft.api.objects.pods import is_ready
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.core.triggers import adopters
from podraft.server.controllers.planners.replication_controllers import controller as room
from support.controller_world import RefusedError
from support.stale_world import LaggingWorld

KEY = ObjectKey("shop", "web")


class Cluster:
    """A world with one replication controller, whose pods start when told."""

    def __init__(self, replicas: int) -> None:
        self.world = LaggingWorld()
        made: Any = codec.from_json(
            {
                "apiVersion": "v1",
                "kind": "ReplicationController",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {
                    "replicas": replicas,
                    "selector": {"app": "web"},
                    "template": {
                        "metadata": {"labels": {"app": "web", "tier": "front"}},
                        "spec": {"containers": [{"name": "main", "image": "app:1"}]},
                    },
                },
            }
        )
        self.world.create(made)

    @property
    def controller(self) -> Any:
        return self.world.get(REPLICATION_CONTROLLER, "web", "shop")

    def scale(self, replicas: int) -> None:
        self.world.change(self.controller, lambda rc: setattr(rc.spec, "replicas", replicas))

    def plan(self, snapshot: Any = None) -> bool:
        plan = room.plan(snapshot or self.world, KEY, Now.at(self.world.now))
        self.world.commit(plan)
        return bool(plan.writes)

    def run(self) -> None:
        for _ in range(20):
            moved = self.plan()
            for pod in self.world.pods():
                if not is_ready(pod):
                    self.world.set_ready(pod, True)
                    moved = True
            if not moved:
                return
        raise AssertionError("no end")


def orphan(**labels: str) -> pod_pb2.Pod:
    pod = pod_pb2.Pod()
    pod.metadata.name, pod.metadata.namespace = "orphan", "shop"
    pod.metadata.labels.update(labels)
    return pod


def test_as_many_pods_as_are_wanted_and_the_status_says_so() -> None:
    cluster = Cluster(3)
    cluster.run()
    assert codec.to_json(cluster.controller.status) == {
        "replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "observedGeneration": 1,
    }  # fmt: skip
    [reference] = {str(pod.metadata.owner_references) for pod in cluster.world.pods()}
    assert 'kind: "ReplicationController"' in reference
    cluster.scale(1)
    cluster.run()
    assert len(cluster.world.list(POD)) == cluster.controller.status.replicas == 1
    scale = scales.scale_of(REPLICATION_CONTROLLER, cluster.controller)
    assert (scale.spec.replicas, scale.status.replicas) == (1, 1)
    assert scale.status.selector == "app=web"


@pytest.mark.parametrize(("labels", "taken"), [({"app": "web"}, True), ({"tier": "front"}, False)])
def test_a_pod_without_owner_is_taken_over_if_it_has_all_labels(
    labels: dict[str, str], taken: bool
) -> None:
    cluster = Cluster(1)
    made = cluster.world.create(orphan(**labels))
    assert list(adopters(cluster.world, REPLICATION_CONTROLLER, made)) == [KEY] * taken
    cluster.run()
    own = owners.key_of(REPLICATION_CONTROLLER, cluster.controller)
    mine = [pod.metadata.name for pod in cluster.world.pods() if own.controls(pod.metadata)]
    assert len(mine) == 1
    assert ("orphan" in mine) == taken
    # Its full labels are the template's.
    assert cluster.controller.status.fully_labeled_replicas == (0 if taken else 1)


@pytest.mark.parametrize("seed", range(6))
def test_killed_after_any_write_with_old_caches_it_ends_with_the_number_that_is_wanted(
    seed: int,
) -> None:
    chance = random.Random(seed)
    cluster = Cluster(3)
    for _ in range(60):
        if chance.random() < 0.1:
            cluster.scale(chance.randrange(5))
        with contextlib.suppress(RefusedError):
            cluster.plan(cluster.world.stale(chance, lag_max=4, torn=chance.random() < 0.5))
    cluster.scale(2)
    cluster.run()
    assert len(cluster.world.list(POD)) == cluster.controller.status.ready_replicas == 2
