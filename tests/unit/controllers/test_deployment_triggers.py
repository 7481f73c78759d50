"""The end of a pod wakes the Deployment that waits for it: a Recreate, and no other."""

import pytest

from podraft.api.kinds import BUILT_IN, DEPLOYMENT, POD, REPLICA_SET
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.controller import ControllerOptions
from podraft.server.controllers.planners.deployments.controller import controller
from unit.controllers.test_rollouts import KEY, Cluster, new_deployment


def _woken(cluster, old, new):
    trigger = controller(ControllerOptions(), BUILT_IN).triggers[POD]
    return list(trigger(cluster.world, old, new))


def _with_pod(strategy):
    cluster = Cluster(new_deployment(1, strategy=strategy))
    cluster.plan_deployment()
    for replica_set in cluster.world.list(REPLICA_SET):
        cluster.plan_replica_set(replica_set)
    [pod] = cluster.world.pods()
    return cluster, pod


def _finished(pod):
    ended = objects.copied(pod)
    ended.status.phase = "Succeeded"
    return ended


@pytest.mark.parametrize(("strategy", "woken"), [("Recreate", [KEY]), ("RollingUpdate", [])])
def test_the_end_of_a_pod_wakes_a_recreate_only(strategy, woken):
    cluster, pod = _with_pod(strategy)
    assert _woken(cluster, pod, None) == woken
    assert _woken(cluster, pod, _finished(pod)) == woken


def test_a_pod_that_goes_on_or_appears_wakes_nobody():
    cluster, pod = _with_pod("Recreate")
    assert _woken(cluster, pod, pod) == []
    assert _woken(cluster, None, pod) == []
    assert _woken(cluster, None, _finished(pod)) == []


def test_a_pod_that_outlives_its_deployment_wakes_nobody():
    cluster, pod = _with_pod("Recreate")
    deployment = cluster.world.get(DEPLOYMENT, KEY.name, KEY.namespace)
    cluster.world.delete(deployment)
    assert _woken(cluster, pod, None) == []
