"""Daemon sets: one pod on each node that fits, replaced within the bounds of a rollout."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from podraft.api import codec
from podraft.api.core.v1 import node_pb2
from podraft.api.kinds import CONTROLLER_REVISION, DAEMON_SET, NODE, POD
from podraft.api.moments import Now
from podraft.api.objects import well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_ready
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.manager import COMMIT_MAX
from podraft.server.controllers.planners.daemon_sets import plan as daemon_sets
from podraft.server.controllers.planners.daemon_sets.placing import tolerations_of
from support.controller_world import RefusedError
from support.stale_world import LaggingWorld

KEY = ObjectKey("shop", "logs")


class Cluster:
    """A world with nodes and one daemon set, whose pods start when told."""

    def __init__(self, nodes: int = 3, pod: Any = None, **spec: Any) -> None:
        self.world = LaggingWorld()
        for number in range(nodes):
            self.add_node(f"n{number}")
        data = {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "logs", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": "logs"}},
                "template": {
                    "metadata": {"labels": {"app": "logs"}},
                    "spec": {"containers": [{"name": "main", "image": "app:1"}], **(pod or {})},
                },
                **spec,
            },
        }
        made: Any = codec.from_json(data)
        self.world.create(made)

    def add_node(self, name: str, *, host: bool = True) -> None:
        node = node_pb2.Node()
        node.metadata.name = name
        if host:
            node.metadata.labels[well_known.HOSTNAME_LABEL] = f"host-{name}"
        self.world.create(node)

    def change_node(self, name: str, change: Any) -> None:
        self.world.change(self.world.get(NODE, name), change)

    @property
    def daemon_set(self) -> Any:
        return self.world.get(DAEMON_SET, "logs", "shop")

    def set_image(self, image: str) -> None:
        def change(daemon_set: Any) -> None:
            daemon_set.spec.template.spec.containers[0].image = image

        self.world.change(self.daemon_set, change)

    def plan(self, snapshot: Any = None) -> bool:
        plan = daemon_sets.plan(snapshot or self.world, KEY, Now.at(self.world.now))
        assert len(plan.writes) <= COMMIT_MAX, "a plan is one transaction"
        self.world.commit(plan)
        return bool(plan.writes)

    def settle(self) -> None:
        for _ in range(20):
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
            host = pod.spec.node_selector[well_known.HOSTNAME_LABEL]
            self.world.bind(pod, host.removeprefix("host-"))
        elif not is_ready(pod):
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

    def places(self) -> list[str]:
        return sorted(pod.spec.node_name for pod in self.world.pods())

    def images(self) -> set[str]:
        return {pod.spec.containers[0].image for pod in self.world.pods()}

    def unavailable(self) -> int:
        ready = {pod.spec.node_name for pod in self.world.pods() if is_ready(pod)}
        return len(self.world.list(NODE)) - len(ready)


def taint(key: str, effect: str) -> Any:
    return lambda node: node.spec.taints.add(key=key, effect=effect)


def test_each_node_has_one_pod_also_one_that_joins_later() -> None:
    cluster = Cluster()
    cluster.run()
    assert cluster.places() == ["n0", "n1", "n2"]
    cluster.add_node("n3", host=False)
    cluster.run()
    assert cluster.places() == ["n0", "n1", "n2", "n3"]
    status = codec.to_json(cluster.daemon_set.status)
    assert status == {
        "currentNumberScheduled": 4, "numberMisscheduled": 0, "desiredNumberScheduled": 4,
        "numberReady": 4, "observedGeneration": 1, "updatedNumberScheduled": 4,
        "numberAvailable": 4, "numberUnavailable": 0,
    }  # fmt: skip
    [pod] = [pod for pod in cluster.world.pods() if pod.spec.node_name == "n0"]
    cluster.world.delete(pod, grace_s=0)
    cluster.run()
    assert cluster.places() == ["n0", "n1", "n2", "n3"]


def test_only_nodes_that_the_template_selects_get_a_pod() -> None:
    cluster = Cluster(pod={"nodeSelector": {"disk": "ssd"}})
    cluster.run()
    assert cluster.places() == []
    cluster.change_node("n1", lambda node: node.metadata.labels.update(disk="ssd"))
    cluster.run()
    assert cluster.places() == ["n1"]
    cluster.change_node("n1", lambda node: node.metadata.labels.pop("disk"))
    cluster.settle()
    assert cluster.daemon_set.status.number_misscheduled == 1
    cluster.run()
    assert cluster.places() == []


@pytest.mark.parametrize(
    ("key", "effect", "comes", "stays"),
    [
        ("mine", "NoSchedule", False, True),
        ("mine", "NoExecute", False, False),
        ("mine", "PreferNoSchedule", True, True),
        (well_known.UNSCHEDULABLE_TAINT, "NoSchedule", True, True),
        (well_known.UNREACHABLE_TAINT, "NoExecute", True, True),
    ],
)
def test_taints_keep_pods_away_or_send_them_off(
    key: str, effect: str, comes: bool, stays: bool
) -> None:
    before = Cluster(nodes=1)
    before.change_node("n0", taint(key, effect))
    before.run()
    assert (before.places() == ["n0"]) == comes
    after = Cluster(nodes=1)
    after.run()
    after.change_node("n0", taint(key, effect))
    after.run()
    assert (after.places() == ["n0"]) == stays


def test_what_the_template_tolerates_is_not_said_twice() -> None:
    cluster = Cluster(pod={"tolerations": [{"operator": "Exists"}], "hostNetwork": True})
    spec = cluster.daemon_set.spec.template.spec
    keys = [toleration.key for toleration in tolerations_of(spec)]
    assert len(keys) == len(set(keys)) == 8


@pytest.mark.parametrize("bound", [1, 2, "50%"])
@pytest.mark.parametrize("seed", range(5))
def test_a_rollout_leaves_enough_nodes_with_a_pod(seed: int, bound: Any) -> None:
    rolling = {"rollingUpdate": {"maxUnavailable": bound}}
    cluster = Cluster(nodes=5, updateStrategy=rolling)
    cluster.run()
    cluster.set_image("app:2")
    chance = random.Random(seed)
    for _ in range(200):
        cluster.plan()
        cluster.live(chance)
        assert cluster.unavailable() <= {1: 1, 2: 2, "50%": 3}[bound], f"seed {seed}"
    cluster.run()
    assert cluster.images() == {"app:2"}


@pytest.mark.parametrize("seed", range(5))
def test_a_rollout_with_surge_leaves_no_node_without_a_pod(seed: int) -> None:
    rolling = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 2}}
    cluster = Cluster(nodes=4, updateStrategy=rolling)
    cluster.run()
    cluster.set_image("app:2")
    chance = random.Random(seed)
    for _ in range(200):
        cluster.plan()
        cluster.live(chance)
        assert cluster.unavailable() == 0, f"seed {seed}"
        assert len(cluster.world.pods()) <= 4 + 2
    cluster.run()
    assert (cluster.images(), cluster.places()) == ({"app:2"}, ["n0", "n1", "n2", "n3"])


def test_with_on_delete_a_pod_is_replaced_when_somebody_deletes_it() -> None:
    cluster = Cluster(nodes=2, updateStrategy={"type": "OnDelete"})
    cluster.run()
    cluster.set_image("app:2")
    cluster.run()
    assert cluster.images() == {"app:1"}
    cluster.world.delete(cluster.world.pods()[0])
    cluster.run()
    assert cluster.images() == {"app:1", "app:2"}
    assert cluster.daemon_set.status.updated_number_scheduled == 1


def test_former_templates_are_kept_numbered_and_forgotten_in_time() -> None:
    cluster = Cluster(nodes=1, revisionHistoryLimit=2)
    for number in range(1, 6):
        cluster.set_image(f"app:{number + 1}")
        cluster.run()
    numbers = sorted(one.revision for one in cluster.world.list(CONTROLLER_REVISION))
    assert numbers == [3, 4, 5]
    cluster.set_image("app:5")
    cluster.run()
    numbers = sorted(one.revision for one in cluster.world.list(CONTROLLER_REVISION))
    assert numbers == [3, 5, 6]
    [pod] = cluster.world.pods()
    newest = max(cluster.world.list(CONTROLLER_REVISION), key=lambda one: one.revision)
    label = well_known.REVISION_HASH_LABEL
    assert pod.metadata.labels[label] == newest.metadata.labels[label]


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_killed_after_any_write_with_old_caches_it_ends_in_the_same_state(
    seed: int, torn: bool
) -> None:
    chance = random.Random(seed)
    cluster = Cluster(nodes=3)
    for number in range(120):
        cluster.world.now += chance.choice([0.0, 1.0, 15.0])
        if number == 40:
            cluster.set_image("app:2")
        if number == 80:
            cluster.add_node("n3")
        with contextlib.suppress(RefusedError):
            cluster.plan(cluster.world.stale(chance, lag_max=5, torn=torn))
        if chance.random() < 0.6:
            cluster.live(chance)
    cluster.run()
    assert cluster.places() == ["n0", "n1", "n2", "n3"], f"seed {seed}"
    assert cluster.images() == {"app:2"}
    former, current = sorted(cluster.world.list(CONTROLLER_REVISION), key=lambda one: one.revision)
    assert b"app:1" in former.data.raw
    assert b"app:2" in current.data.raw
