"""Small random clusters, made from a seed."""

from __future__ import annotations

import random

from podraft.api.core.v1.container_pb2 import Container
from podraft.api.core.v1.node_pb2 import Node
from podraft.api.core.v1.pod_pb2 import Pod

TAINTS = [(key, value) for key in ("dedicated", "gpu") for value in ("", "a", "b")]
EFFECTS = ["NoSchedule", "NoExecute", "PreferNoSchedule"]


def make_node(name: str, cpu: str = "4", memory: str = "8Gi", pods: str = "") -> Node:
    node = Node()
    node.metadata.name = name
    node.metadata.labels["kubernetes.io/hostname"] = name
    for resource, amount in (("cpu", cpu), ("memory", memory), ("pods", pods)):
        if amount:
            node.status.allocatable[resource].string = amount
    node.status.conditions.add(type="Ready", status="True")
    return node


def make_pod(name: str, owner: str = "", cpu: str = "", memory: str = "") -> Pod:
    pod = Pod()
    pod.metadata.name, pod.metadata.namespace, pod.metadata.uid = name, "default", f"uid-{name}"
    if owner:
        for uid, controls in (("somebody-else", False), (owner, True)):
            pod.metadata.owner_references.add(
                api_version="apps/v1", kind="ReplicaSet", name="owner", uid=uid, controller=controls
            )
    container = pod.spec.containers.add(name="main", image="image")
    for resource, amount in (("cpu", cpu), ("memory", memory)):
        if amount:
            container.resources.requests[resource].string = amount
    return pod


def random_node(rng: random.Random, name: str) -> Node:
    node = make_node(
        name,
        cpu=rng.choice(["500m", "1", "2", "4"]),
        memory=rng.choice(["512Mi", "1Gi", "4Gi"]),
        pods=rng.choice(["1", "3", "10"]),
    )
    if rng.random() < 0.2:
        del node.status.allocatable["pods"]
    if rng.random() < 0.3:
        node.status.allocatable["example.com/gpu"].string = rng.choice(["0", "1", "2"])
    if rng.random() < 0.3:
        node.status.allocatable["ephemeral-storage"].string = "1Gi"
    node.metadata.labels["zone"] = rng.choice(["a", "b"])
    if rng.random() < 0.5:
        node.metadata.labels["disk"] = rng.choice(["ssd", ""])
    node.spec.unschedulable = rng.random() < 0.1
    if rng.random() < 0.1:
        node.status.conditions[0].status = rng.choice(["False", "Unknown"])
    for key, value in rng.sample(TAINTS, rng.choice([0, 0, 0, 1, 2])):
        node.spec.taints.add(key=key, value=value, effect=rng.choice(EFFECTS))
    return node


def random_pod(rng: random.Random, name: str) -> Pod:
    pod = make_pod(name, owner=rng.choice(["", "owner-1", "owner-2", "owner-3"]))
    del pod.spec.containers[:]
    for _ in range(rng.choice([1, 1, 2])):
        _request(rng, pod.spec.containers.add(name="c"))
    for _ in range(rng.choice([0, 0, 1, 2])):
        _request(rng, pod.spec.init_containers.add(name="i"))
    if rng.random() < 0.3:
        pod.spec.node_selector["zone"] = rng.choice(["a", "b", "c"])
    if rng.random() < 0.2:
        pod.spec.node_selector["disk"] = rng.choice(["ssd", ""])
    for _ in range(rng.choice([0, 0, 1, 2])):
        _tolerate(rng, pod)
    return pod


def _request(rng: random.Random, container: Container) -> None:
    requests = container.resources.requests
    if rng.random() < 0.7:
        requests["cpu"].string = rng.choice(["0", "1m", "100m", "250m", "1", "1.5"])
    if rng.random() < 0.7:
        requests["memory"].string = rng.choice(["64Mi", "100k", "1Gi"])
    if rng.random() < 0.1:
        requests["example.com/gpu"].string = "1"
    if rng.random() < 0.1:
        requests["ephemeral-storage"].string = "300Mi"


def _tolerate(rng: random.Random, pod: Pod) -> None:
    toleration = pod.spec.tolerations.add()
    if rng.random() < 0.2:
        toleration.operator = "Exists"
        if rng.random() < 0.5:
            toleration.key = rng.choice(
                ["node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "gpu"]
            )
        return
    toleration.key, toleration.value = rng.choice(TAINTS)
    if rng.random() < 0.5:
        toleration.effect = rng.choice(EFFECTS)
