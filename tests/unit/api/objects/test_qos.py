"""The quality of service class: one answer for the API server and for the node."""

from __future__ import annotations

import pytest

from podraft.api.core.v1 import pod_pb2
from podraft.api.objects.amounts import qos_class

Amounts = dict[str, str]


def spec_of(*containers: tuple[Amounts, Amounts]) -> pod_pb2.PodSpec:
    spec = pod_pb2.PodSpec()
    for requests, limits in containers:
        resources = spec.containers.add().resources
        for name, text in requests.items():
            resources.requests[name].string = text
        for name, text in limits.items():
            resources.limits[name].string = text
    return spec


FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([({}, {})], "BestEffort"),
        ([({"cpu": "0"}, {})], "BestEffort"),
        ([({"cpu": "0", "memory": "0Mi"}, {"cpu": "0m"})], "BestEffort"),
        ([({"example.com/gpu": "1"}, {})], "BestEffort"),
        ([({"cpu": "1m"}, {})], "Burstable"),
        ([({}, FULL)], "Guaranteed"),
        ([({"cpu": "1000m", "memory": "1024Mi"}, FULL)], "Guaranteed"),
        ([({"cpu": "0"}, FULL)], "Burstable"),
        ([({"cpu": "1", "memory": "1G"}, FULL)], "Burstable"),
        ([({}, FULL), ({}, {})], "Burstable"),
        ([({}, FULL | {"memory": "0"})], "Burstable"),
    ],
)
def test_zero_is_not_set_and_equal_values_are_equal(
    containers: list[tuple[Amounts, Amounts]], expected: str
) -> None:
    assert qos_class(spec_of(*containers)) == expected


def test_an_init_container_counts() -> None:
    spec = spec_of(({}, FULL))
    spec.init_containers.add()
    assert qos_class(spec) == "Burstable"


def test_asking_changes_nothing() -> None:
    spec = spec_of(({}, {}))
    before = spec.SerializeToString()
    qos_class(spec)
    assert spec.SerializeToString() == before
