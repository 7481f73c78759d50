"""Deployments and ReplicaSets together, against an adversary who decides the order of things."""

import itertools
import random

import pytest

from podraft.api.apps.v1 import deployment_pb2
from podraft.api.kinds import DEPLOYMENT, POD, REPLICA_SET
from podraft.api.moments import Now
from podraft.api.objects import conditions
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import key_of
from podraft.api.objects.pods import is_ready
from podraft.server.controllers.core import objects, replicated
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.deployments import plan as deployments
from podraft.server.controllers.planners.deployments import scaling
from podraft.server.controllers.planners.replica_sets import controller as replica_sets
from support.controller_world import World

KEY = ObjectKey("shop", "web")


def new_deployment(replicas, *, surge=None, unavailable=None, strategy="RollingUpdate"):
    deployment = deployment_pb2.Deployment()
    deployment.metadata.name, deployment.metadata.namespace = "web", "shop"
    spec = deployment.spec
    spec.replicas = replicas
    spec.selector.match_labels["app"] = "web"
    spec.template.metadata.labels["app"] = "web"
    spec.template.spec.containers.add(name="main", image="app:1")
    spec.strategy.type = strategy
    for field, value in (("max_surge", surge), ("max_unavailable", unavailable)):
        if value is not None:
            target = getattr(spec.strategy.rolling_update, field)
            if isinstance(value, str):
                target.type, target.str_val = 1, value
            else:
                target.type, target.int_val = 0, value
    return deployment


class Cluster:
    """A world with one Deployment, its controllers, and pods that start when told."""

    def __init__(self, deployment, *, seed=0, broken=()):
        self.world = World()
        self.world.create(deployment)
        self.random = random.Random(seed)
        self.broken = set(broken)

    @property
    def deployment(self):
        return self.world.get(DEPLOYMENT, "web", "shop")

    def change(self, change):
        self.world.change(self.deployment, change)

    def set_image(self, image):
        self.change(lambda d: setattr(d.spec.template.spec.containers[0], "image", image))

    def plan_deployment(self):
        plan = deployments.plan(self.world, KEY, Now.at(self.world.now))
        self.world.commit(plan)
        return bool(plan.writes)

    def plan_replica_set(self, replica_set):
        key = ObjectKey("shop", replica_set.metadata.name)
        plan = replica_sets.plan(self.world, key, Now.at(self.world.now))
        self.world.commit(plan)
        return bool(plan.writes)

    def start(self, pod):
        if not pod.spec.node_name:
            self.world.bind(pod)
        elif not is_ready(pod) and pod.spec.containers[0].image not in self.broken:
            self.world.set_ready(pod, True)
        else:
            return False
        return True

    def end(self, pod):
        if is_deleting(pod.metadata):
            self.world.delete(pod, grace_s=0)
            return True
        return False

    def moves(self):
        """Return everything that might happen next."""
        yield self.plan_deployment
        for replica_set in self.world.list(REPLICA_SET):
            yield lambda rs=replica_set: self.plan_replica_set(rs)
        for pod in self.world.list(POD):
            if is_deleting(pod.metadata):
                yield lambda p=pod: self.end(p)
            else:
                yield lambda p=pod: self.start(p)

    def step(self):
        """Let one thing happen, in an order that the seed decides; say whether anything did."""
        moves = list(self.moves())
        self.random.shuffle(moves)
        return any(move() for move in moves)

    def run(self, check=lambda: None, steps_max=3000):
        for _ in range(steps_max):
            if not self.step():
                return
            self.world.now += 0.01
            check()
        raise AssertionError(f"no convergence within {steps_max} steps")

    def images(self):
        return sorted(pod.spec.containers[0].image for pod in self.world.pods())

    def ready(self):
        return [pod for pod in self.world.pods() if is_ready(pod)]


BOUNDS = [(None, None), (1, 0), (0, 1), ("50%", "50%"), ("100%", 0), (3, 2), ("10%", "10%")]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("surge", "unavailable"), BOUNDS)
@pytest.mark.parametrize("replicas", [1, 3, 10])
def test_a_rollout_keeps_its_bounds_in_any_order_of_events(replicas, surge, unavailable, seed):
    cluster = Cluster(new_deployment(replicas, surge=surge, unavailable=unavailable), seed=seed)
    cluster.run()
    bounds = scaling.bounds_of(cluster.deployment)

    def check():
        assert len(cluster.world.pods()) <= bounds.total_max
        assert len(cluster.ready()) >= bounds.available_min

    for image in ("app:2", "app:3", "app:1"):
        cluster.set_image(image)
        cluster.run(check)
        assert cluster.images() == [image] * replicas
    status = cluster.deployment.status
    assert (status.updated_replicas, status.available_replicas) == (replicas, replicas)
    progressing = conditions.find(status.conditions, "Progressing")
    assert progressing.reason == "NewReplicaSetAvailable"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("surge", "unavailable"), BOUNDS)
def test_a_broken_template_leaves_the_old_pods_serving_and_undo_heals(surge, unavailable, seed):
    deployment = new_deployment(8, surge=surge, unavailable=unavailable)
    deployment.spec.progress_deadline_seconds = 60
    cluster = Cluster(deployment, seed=seed, broken={"app:broken"})
    cluster.run()
    bounds = scaling.bounds_of(cluster.deployment)

    def check():
        assert len(cluster.ready()) >= bounds.available_min

    cluster.set_image("app:broken")
    cluster.run(check)
    assert "app:1" in cluster.images()
    cluster.world.now += 100
    cluster.run(check)
    progressing = conditions.find(cluster.deployment.status.conditions, "Progressing")
    assert (progressing.status, progressing.reason) == ("False", "ProgressDeadlineExceeded")
    cluster.set_image("app:1")
    cluster.run(check)
    assert cluster.images() == ["app:1"] * 8
    assert cluster.deployment.metadata.annotations["deployment.kubernetes.io/revision"] == "3"
    assert len(cluster.world.list(REPLICA_SET)) == 2


@pytest.mark.parametrize("seed", range(20))
def test_scaling_in_the_midst_of_a_rollout_converges(seed):
    chance = random.Random(seed)
    cluster = Cluster(new_deployment(10), seed=seed)
    cluster.run()
    for version in range(2, 5):
        cluster.set_image(f"app:{version}")
        for _ in range(chance.randrange(40)):
            cluster.step()
        replicas = chance.randrange(0, 20)
        cluster.change(lambda d, n=replicas: setattr(d.spec, "replicas", n))
        cluster.run()
        assert cluster.images() == [f"app:{version}"] * replicas


@pytest.mark.parametrize("seed", range(10))
def test_recreate_never_runs_two_templates_at_once(seed):
    cluster = Cluster(new_deployment(4, strategy="Recreate"), seed=seed)
    cluster.run()

    def check():
        images = {pod.spec.containers[0].image for pod in cluster.world.list(POD)}
        assert len(images) <= 1, "terminating pods count: they still run"

    cluster.set_image("app:2")
    cluster.run(check)
    assert cluster.images() == ["app:2"] * 4


def test_a_proportional_scale_spreads_over_both_replica_sets():
    cluster = Cluster(new_deployment(10, surge=3, unavailable=2), broken={"app:broken"})
    cluster.run()
    cluster.set_image("app:broken")
    cluster.run()
    assert cluster.images() == ["app:1"] * 8 + ["app:broken"] * 5
    cluster.change(lambda d: setattr(d.spec, "replicas", 15))
    cluster.run()
    # Kubernetes' documentation gives this example: 3 of the 5 go to the old, 2 to the new.
    assert cluster.images() == ["app:1"] * 11 + ["app:broken"] * 7


def test_a_paused_deployment_scales_but_does_not_roll():
    cluster = Cluster(new_deployment(3))
    cluster.run()
    cluster.change(lambda d: setattr(d.spec, "paused", True))
    cluster.set_image("app:2")
    cluster.change(lambda d: setattr(d.spec, "replicas", 5))
    cluster.run()
    assert cluster.images() == ["app:1"] * 5
    progressing = conditions.find(cluster.deployment.status.conditions, "Progressing")
    assert progressing.reason == "DeploymentPaused"
    cluster.change(lambda d: setattr(d.spec, "paused", False))
    cluster.run()
    assert cluster.images() == ["app:2"] * 5


def test_old_replica_sets_are_forgotten_beyond_the_limit():
    deployment = new_deployment(2)
    deployment.spec.revision_history_limit = 2
    cluster = Cluster(deployment)
    for version in range(1, 7):
        cluster.set_image(f"app:{version}")
        cluster.run()
    kept = cluster.world.list(REPLICA_SET)
    images = sorted(rs.spec.template.spec.containers[0].image for rs in kept)
    assert images == ["app:4", "app:5", "app:6"]


def test_a_name_that_is_taken_is_avoided():
    cluster = Cluster(new_deployment(1))
    cluster.plan_deployment()
    [made] = cluster.world.list(REPLICA_SET)
    name = made.metadata.name
    cluster.world.delete(made)
    foreign = objects.copied(made)
    foreign.metadata.name = name
    foreign.metadata.owner_references[0].uid = "someone-else"
    cluster.world.create(foreign)
    cluster.run()
    own = key_of(DEPLOYMENT, cluster.deployment)
    names = [
        rs.metadata.name for rs in cluster.world.list(REPLICA_SET) if own.controls(rs.metadata)
    ]
    assert names != [name]
    assert cluster.deployment.status.collision_count == 1


def test_what_only_respells_a_template_makes_no_new_replica_set():
    made = new_deployment(2)
    made.spec.template.spec.containers[0].resources.limits["memory"].string = "1Gi"
    cluster = Cluster(made)
    cluster.run()
    before = [rs.metadata.name for rs in cluster.world.list(REPLICA_SET)]

    def respell(deployment):
        spec = deployment.spec.template.spec
        main = spec.containers[0]
        main.resources.limits["memory"].string = "1024Mi"
        main.resources.requests["memory"].string = "1073741824"
        main.image_pull_policy = "IfNotPresent"
        spec.restart_policy, spec.host_network = "Always", False
        spec.termination_grace_period_seconds = 30
        spec.security_context.SetInParent()

    cluster.change(respell)
    cluster.run()
    assert [rs.metadata.name for rs in cluster.world.list(REPLICA_SET)] == before

    def change(deployment):
        deployment.spec.template.spec.containers[0].resources.limits["memory"].string = "1025Mi"

    cluster.change(change)
    cluster.run()
    assert len(cluster.world.list(REPLICA_SET)) == len(before) + 1


def test_a_replica_set_whose_owner_forgot_it_is_adopted():
    cluster = Cluster(new_deployment(2))
    cluster.run()
    [only] = cluster.world.list(REPLICA_SET)
    cluster.world.change(only, lambda rs: rs.metadata.ClearField("owner_references"))
    cluster.run()
    [still] = cluster.world.list(REPLICA_SET)
    assert still.metadata.uid == only.metadata.uid
    assert key_of(DEPLOYMENT, cluster.deployment).controls(still.metadata)


def test_ready_pods_become_available_when_they_were_ready_for_long_enough():
    deployment = new_deployment(2)
    deployment.spec.min_ready_seconds = 10
    cluster = Cluster(deployment)
    cluster.run()
    [replica_set] = cluster.world.list(REPLICA_SET)
    assert (replica_set.status.ready_replicas, replica_set.status.available_replicas) == (2, 0)
    key = ObjectKey("shop", replica_set.metadata.name)
    again_s = replica_sets.plan(cluster.world, key, Now.at(cluster.world.now)).requeue_after_s
    assert 0 < again_s <= 10
    cluster.world.now += again_s
    cluster.run()
    assert cluster.deployment.status.available_replicas == 2


def test_pods_that_are_missed_least_are_deleted_first():
    world = World()
    cluster = Cluster(new_deployment(6))
    cluster.run()
    world = cluster.world
    pods = sorted(world.pods(), key=lambda pod: pod.metadata.name)
    for pod, node in zip(pods, itertools.cycle(["n1", "n2", "n3"]), strict=False):
        world.bind(pod, node)
    world.set_ready(world.get(POD, pods[1].metadata.name, "shop"), False)
    world.change(pods[2], lambda p: p.spec.ClearField("node_name"))
    costly = {"controller.kubernetes.io/pod-deletion-cost": "-5"}
    world.change(pods[3], lambda p: p.metadata.annotations.update(costly))
    current = [world.get(POD, pod.metadata.name, "shop") for pod in pods]
    victims = replicated.victims_of(current, current, 3, Now.at(world.now))
    assert [v.metadata.name for v in victims] == [pods[i].metadata.name for i in (2, 1, 3)]


def test_a_pod_of_another_controller_is_never_touched():
    cluster = Cluster(new_deployment(1))
    cluster.run()
    [pod] = cluster.world.pods()
    foreign = objects.copied(pod)
    foreign.metadata.name = "foreign"
    foreign.metadata.owner_references[0].uid = "someone-else"
    before = cluster.world.create(foreign)
    cluster.change(lambda d: setattr(d.spec, "replicas", 0))
    cluster.run()
    assert cluster.world.pods() == [cluster.world.get(POD, "foreign", "shop")]
    assert cluster.world.get(POD, "foreign", "shop").metadata.owner_references == (
        before.metadata.owner_references
    )


def test_a_thousand_pods_are_created_by_one_plan():
    cluster = Cluster(new_deployment(1000))
    cluster.plan_deployment()
    [replica_set] = cluster.world.list(REPLICA_SET)
    key = ObjectKey("shop", replica_set.metadata.name)
    plan = replica_sets.plan(cluster.world, key, Now.at(cluster.world.now))
    assert sum(write.HasField("create") for write in plan.writes) == 1000
