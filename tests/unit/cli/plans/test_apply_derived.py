"""What a server fills in never contradicts the next file: the file is the truth.

Each row is a history of files; after each one the object is what the file alone would make.
"""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec
from podraft.api.core.v1 import pod_pb2
from podraft.api.moments import Now
from podraft.server.controllers.core.plan import ObjectKey
from podraft.server.controllers.planners.replica_sets import controller as replica_sets
from support.controller_world import World
from unit.cli.plans.test_apply_properties import Stored, comparable, deployment, service


def limits(**amounts: str) -> dict[str, Any]:
    return deployment({"resources": {"limits": amounts}} if amounts else {})


def replica_set(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"kind": "ReplicaSet"}


def probe(**handler: Any) -> dict[str, Any]:
    return deployment({"livenessProbe": handler})


def volume(**source: Any) -> dict[str, Any]:
    value = deployment()
    value["spec"]["template"]["spec"]["volumes"] = [{"name": "v", **source}]
    return value


HISTORIES = {
    "a limit is lowered": [limits(memory="64Mi", cpu="1"), limits(memory="32Mi", cpu="1")],
    "a limit is raised": [limits(memory="64Mi"), limits(memory="128Mi")],
    "a limit goes": [limits(memory="64Mi", cpu="1"), limits(cpu="1"), limits()],
    "a limit of a replica set": [
        replica_set(limits(memory="64Mi")),
        replica_set(limits(memory="32Mi")),
        replica_set(limits()),
    ],
    "a tag that moves and one that does not": [
        deployment({"image": "nginx:1.27"}),
        deployment({"image": "nginx:latest"}),
        deployment({"image": "nginx"}),
        deployment({"image": "nginx:1.28"}),
    ],
    "another way to probe": [
        probe(httpGet={"port": 80}),
        probe(tcpSocket={"port": 80}),
        probe(exec={"command": ["true"]}),
        probe(httpGet={"port": 80, "scheme": "HTTPS"}),
        deployment(),
    ],
    "another source of a volume": [
        volume(),
        volume(configMap={"name": "m"}),
        volume(secret={"secretName": "m"}),
        volume(hostPath={"path": "/x"}),
        volume(emptyDir={}),
    ],
    "another strategy": [
        deployment(),
        deployment(strategy={"type": "Recreate"}),
        deployment(strategy={"rollingUpdate": {"maxSurge": 1}}),
        deployment(),
    ],
    "another port of a service": [
        service(ports=[{"port": 80}]),
        service(ports=[{"port": 81}]),
        service(ports=[{"port": 81, "targetPort": "http"}]),
        service(ports=[{"port": 81}]),
        service(ports=[{"port": 81, "protocol": "UDP"}]),
    ],
}


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES.keys())
def test_each_file_makes_what_it_alone_would_make(history: list[dict[str, Any]]) -> None:
    for files in (history, history[::-1]):
        stored = Stored()
        for value in files:
            stored.apply(value)
            fresh = Stored()
            fresh.apply(value)
            assert comparable(stored.object) == comparable(fresh.object)
            assert stored.apply(value) == "unchanged"


@pytest.mark.parametrize(
    ("container", "requests", "policy"),
    [
        ({"resources": {"limits": {"memory": "32Mi"}}}, {"memory": "32Mi"}, "Always"),
        (
            {"resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}}},
            {"memory": "1Gi", "cpu": "1"},
            "Always",
        ),
        ({"image": "nginx:1.27"}, {}, "IfNotPresent"),
        ({"image": "nginx:latest"}, {}, "Always"),
    ],
)  # fmt: skip
def test_pods_get_what_follows_from_their_template(
    container: dict[str, Any], requests: dict[str, str], policy: str
) -> None:
    """The replica set's pods, made by the controller and admitted, hold the derived values."""
    template = Stored()
    template.apply(replica_set(deployment(container)))
    assert not template.object.spec.template.spec.containers[0].image_pull_policy
    world = World()
    world.create(template.object)
    key = ObjectKey("default", "d")
    plan = replica_sets.plan(world, key, Now.at(world.now))
    pod = pod_pb2.Pod.FromString(plan.writes[0].create.object.value)
    pod.metadata.name = "p"
    admitted = Stored()
    admitted.create(pod)
    [made] = codec.to_json(admitted.object)["spec"]["containers"]
    assert made.get("resources", {}).get("requests", {}) == requests
    assert made["imagePullPolicy"] == policy
