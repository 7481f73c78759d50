"""What means the same compares as the same; what does not, never does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.api.codec.spelling import keep_spelling, respell
from podraft.api.core.v1 import pod_pb2
from podraft.api.meta.v1 import meta_pb2


def spec(container: dict[str, Any] | None = None, **fields: Any) -> pod_pb2.PodSpec:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"} | (container or {})], **fields},
    }
    parsed: pod_pb2.PodSpec = codec.parse(kinds.POD.message, body).spec
    return parsed


def cpu(amount: str) -> pod_pb2.PodSpec:
    return spec({"resources": {"limits": {"cpu": amount}}})


def respelt(message: Any) -> Any:
    result = copy.deepcopy(message)
    respell(result)
    return result


def rolling(**fields: Any) -> Any:
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"strategy": {"rollingUpdate": fields}},
    }
    return codec.parse(kinds.DEPLOYMENT.message, body).spec


def raw_port(**fields: Any) -> Any:
    made = kinds.SERVICE.message()
    made.spec.ports.add(port=80, target_port=meta_pb2.IntOrString(**fields))
    return made.spec


SAME = [
    (cpu("1"), cpu("1000m")),
    (cpu("0.5"), cpu("500m")),
    (cpu("1e3"), cpu("1k")),
    (cpu("1E3"), cpu("1000")),
    (cpu("+2"), cpu("2.000")),
    (cpu("1Gi"), cpu("1024Mi")),
    (cpu("1Gi"), cpu("1073741824")),
    (cpu("1.5Gi"), cpu("1536Mi")),
    (cpu("0"), cpu("0m")),
    (spec({"resources": {}}), spec()),
    (spec({"resources": {"limits": {}}}), spec()),
    (spec({"securityContext": {}}), spec()),
    (spec({"env": [{"name": "A", "value": ""}]}), spec({"env": [{"name": "A"}]})),
    (spec({"command": []}), spec()),
    (spec({"tty": False}), spec()),
    (spec(hostNetwork=False), spec()),
    (spec(nodeSelector={}), spec()),
    (rolling(maxSurge="25%"), rolling(maxSurge="025%")),
    (raw_port(type=0, int_val=80), raw_port(int_val=80)),
    (raw_port(type=0, int_val=80), raw_port(type=0, int_val=80, str_val="")),
    (raw_port(type=1, str_val="http"), raw_port(type=1, int_val=0, str_val="http")),
]
DIFFERENT = [
    (cpu("1"), cpu("1001m")),
    (cpu("1Gi"), cpu("1G")),
    (cpu("0"), spec()),
    (spec({"securityContext": {"runAsUser": 0}}), spec()),
    (spec({"securityContext": {"runAsNonRoot": False}}), spec()),
    (spec({"securityContext": {"allowPrivilegeEscalation": False}}), spec()),
    (spec(enableServiceLinks=False), spec()),
    (spec(terminationGracePeriodSeconds=0), spec()),
    (spec(volumes=[{"name": "v", "emptyDir": {}}]), spec(volumes=[{"name": "v"}])),
    (rolling(maxSurge="1%"), rolling(maxSurge=1)),
    (rolling(maxSurge=0), rolling()),
    (raw_port(type=1, str_val="80"), raw_port(type=0, int_val=80)),
    (spec({"args": ["1Gi"]}), spec({"args": ["1024Mi"]})),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_value_are_respelt_alike_and_kept(one: Any, other: Any) -> None:
    assert respelt(one) == respelt(other)
    for stored, proposed in ((one, other), (other, one)):
        kept = copy.deepcopy(proposed)
        keep_spelling(stored, kept)
        assert kept == stored


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_in_value_stays_different(one: Any, other: Any) -> None:
    assert respelt(one) != respelt(other)
    for stored, proposed in ((one, other), (other, one)):
        kept = copy.deepcopy(proposed)
        keep_spelling(stored, kept)
        assert respelt(kept) == respelt(proposed)


def test_a_text_that_is_no_quantity_is_equal_to_itself_only() -> None:
    stored, proposed = cpu("1"), cpu("1")
    stored.containers[0].resources.limits["cpu"].string = "much"
    proposed.containers[0].resources.limits["cpu"].string = "more"
    keep_spelling(stored, proposed)
    assert proposed.containers[0].resources.limits["cpu"].string == "more"
    assert respelt(stored) != respelt(proposed)


def test_elements_are_paired_by_name_beside_real_changes() -> None:
    stored = spec({"resources": {"limits": {"memory": "1Gi", "cpu": "1"}}})
    proposed = copy.deepcopy(stored)
    limits = proposed.containers[0].resources.limits
    limits["memory"].string, limits["cpu"].string = "1024Mi", "2"
    del proposed.containers[:]
    proposed.containers.add(name="first", image="x")
    again = proposed.containers.add()
    again.CopyFrom(stored.containers[0])
    again.resources.limits["memory"].string, again.resources.limits["cpu"].string = "1024Mi", "2"
    keep_spelling(stored, proposed)
    kept = proposed.containers[1].resources.limits
    assert (kept["memory"].string, kept["cpu"].string) == ("1Gi", "2")
