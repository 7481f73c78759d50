"""Whoever applies the name of a service as a host learns that nobody resolves it yet."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from podraft.cli.manifests import items as manifests
from podraft.cli.manifests import service_names

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "redis-master"},
    "spec": {"ports": [{"port": 6379}]},
}


def warned(*objects: dict[str, Any]) -> list[str]:
    text = "\n".join(json.dumps(obj, indent=1) for obj in objects)
    reading = manifests.read([("shop.json", text)], None, "default")
    assert reading.faults == []
    return service_names.warnings(reading.items)


def deployment(**container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i", **container}]},
            },
        },
    }


def env(name: str, value: str) -> dict[str, Any]:
    return deployment(env=[{"name": name, "value": value}])


@pytest.mark.parametrize(
    "obj",
    [
        env("ANY", "redis-master.default.svc"),
        env("ANY", "http://api.shop.svc.cluster.local:80/x"),
        env("ANY", "redis-master:6379"),
        env("ANY", "redis://redis-master/0"),
        env("ANY", "redis://user:word@redis-master/0"),
        env("REDIS_HOST", "redis-master"),
        deployment(args=["--replicas", "--addr=redis-master:6379"]),
        deployment(command=["sh", "-c", "redis-cli -u redis://redis-master ping"]),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "m"},
            "data": {"app.conf": "a: b\nupstream: redis-master:6379\n"},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p"},
            "spec": {
                "initContainers": [{"name": "i", "image": "i", "args": ["redis-master:6379"]}],
                "containers": [{"name": "c", "image": "i"}],
            },
        },
    ],
)
def test_a_service_as_a_host_is_warned_of_once_with_its_line(obj: dict[str, Any]) -> None:
    (line,) = warned(SERVICE, obj, {**obj, "metadata": {"name": "again"}})
    assert line.startswith("shop.json:")
    assert "no cluster DNS" in line
    assert "(and 1 more such values)" in line


@pytest.mark.parametrize(
    "obj",
    [
        env("REDIS_HOST", "$(REDIS_MASTER_SERVICE_HOST)"),
        env("ANY", "redis-master"),
        env("ANY", "http://redis-master.example.com:80"),
        env("ANY", "example.com/redis-master:v1"),
        env("ANY", "other:6379"),
        env("ANY", "file.svcs.svcx"),
        deployment(args=["redis-master-2:6379", "x-redis-master:6379"]),
    ],
)
def test_other_texts_are_no_hosts(obj: dict[str, Any]) -> None:
    assert warned(SERVICE, obj) == []


def test_the_message_says_what_to_use_instead() -> None:
    (line,) = warned(SERVICE, env("REDIS_HOST", "redis-master"))
    assert "spec.template.spec.containers[0].env[0].value" in line
    assert "$(REDIS_MASTER_SERVICE_HOST)" in line


def test_long_texts_take_linear_time() -> None:
    began = time.process_time()
    for piece in ("a", "a.", "a-", "//", "a.b.svc-", '"', "redis-master", "a:1"):
        data = {"k": piece * (900_000 // len(piece))}
        made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}
        warned(SERVICE, made)
    assert time.process_time() - began < 10
