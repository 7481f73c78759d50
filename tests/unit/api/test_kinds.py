"""A registry of kinds is an instance: kinds come and go, and each name means one of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from podraft.api import kinds
from podraft.api.apps.v1 import deployment_pb2
from podraft.api.core.v1 import node_pb2, pod_pb2, service_pb2
from podraft.api.kinds import AnyKind, Change, Kind, KnownKinds, Order, Registry

METRICS: AnyKind = Kind(
    message=service_pb2.Service,
    api_version="metrics.example.io/v1",
    resource="pods",
    short_names=("po", "pm"),
    custom=True,
)
OTHER_DEPLOYMENTS: AnyKind = Kind(
    message=node_pb2.Node,
    api_version="aaa.example.io/v1",
    resource="deployments",
    short_names=("deploy",),
    custom=True,
)


def test_two_groups_share_a_plural_and_each_is_found_by_its_group() -> None:
    known = KnownKinds((METRICS, kinds.POD))
    assert known.by_word("pods") is known.by_word("po") is kinds.POD
    assert known.by_word("pods.metrics.example.io") is METRICS
    assert known.by_word("po.metrics.example.io") is known.by_word("pm") is METRICS
    assert known.by_group_resource("pods") is kinds.POD
    assert known.by_group_resource("pods.metrics.example.io") is METRICS
    assert known.by_manifest("metrics.example.io/v1", METRICS.name) is METRICS
    assert known.of(service_pb2.Service()) is METRICS


@pytest.mark.parametrize("first", [True, False])
def test_an_ambiguous_word_means_the_built_in_kind(first: bool) -> None:
    both = (OTHER_DEPLOYMENTS, kinds.DEPLOYMENT)
    known = KnownKinds(both if first else both[::-1])
    assert known.by_word("deploy") is known.by_word("Deployments") is kinds.DEPLOYMENT
    assert known.by_word("deployments.aaa.example.io") is OTHER_DEPLOYMENTS


def test_among_equals_the_kind_that_was_added_first_keeps_its_words() -> None:
    registry = Registry([METRICS])
    later = replace(METRICS, message=pod_pb2.Pod, api_version="b.example.io/v1")
    registry.add(later)
    assert registry.by_word("pods") is METRICS
    registry.remove(METRICS)
    assert registry.by_word("pods") is later


def test_a_kind_comes_and_goes_and_observers_learn_of_it() -> None:
    registry = Registry(kinds.BUILT_IN)
    seen: list[Change] = []
    known_then: list[bool] = []
    registry.observe(seen.append)
    custom = replace(METRICS, message=pod_pb2.PodSpec)
    end = registry.observe(lambda change: known_then.append(change.kind in registry))
    registry.add(custom)
    assert registry.by_word("pm") is custom
    assert custom in registry
    registry.remove(custom)
    assert custom not in registry
    assert registry.by_word("pm") is registry.by_message_name(custom.message_name) is None
    assert registry.by_group_resource(custom.group_resource) is None
    assert registry.by_manifest(custom.api_version, custom.name) is None
    end()
    registry.add(custom)
    assert seen == [Change(custom, True), Change(custom, False), Change(custom, True)]
    assert known_then == [True, False]


def test_registries_do_not_know_of_each_other() -> None:
    one, other = Registry(kinds.BUILT_IN), Registry(kinds.BUILT_IN)
    one.remove(kinds.EVENT)
    assert kinds.EVENT in other
    assert kinds.EVENT in kinds.BUILT_IN


@pytest.mark.parametrize(
    "twin",
    [
        replace(kinds.POD, resource="pods2"),
        Kind(message=pod_pb2.PodSpec, api_version="v1", resource="pods"),
        replace(kinds.POD, api_version="example.io/v1"),
    ],
    ids=["same manifest", "same resource", "same message"],
)
def test_a_name_that_means_one_kind_is_given_once(twin: AnyKind) -> None:
    registry = Registry(kinds.BUILT_IN)
    with pytest.raises(ValueError, match="are both"):
        registry.add(twin)
    assert [*registry] == [*kinds.BUILT_IN]
    with pytest.raises(ValueError, match="not known"):
        registry.remove(twin)


def test_who_iterates_while_a_kind_goes_sees_all_that_there_were() -> None:
    registry = Registry(kinds.BUILT_IN)
    seen = []
    for kind in registry:
        if kind is kinds.NODE:
            registry.remove(kinds.EVENT)
        seen.append(kind)
    assert seen == [*kinds.BUILT_IN]


def test_kinds_are_iterated_in_the_order_in_which_objects_are_created() -> None:
    mixed = KnownKinds(reversed(kinds.BUILT_IN))
    assert [kind.order for kind in mixed] == sorted(kind.order for kind in kinds.BUILT_IN)
    assert next(iter(mixed)) is kinds.NAMESPACE
    early = replace(METRICS, message=deployment_pb2.DeploymentSpec, order=Order.NAMESPACES)
    assert [*KnownKinds((*kinds.BUILT_IN, early))][:2] == [kinds.NAMESPACE, early]


def test_a_category_names_several_kinds() -> None:
    found = kinds.BUILT_IN.of_category("all")
    assert found == (
        kinds.SERVICE, kinds.POD, kinds.REPLICATION_CONTROLLER, kinds.REPLICA_SET,
        kinds.DEPLOYMENT, kinds.DAEMON_SET,
        kinds.STATEFUL_SET, kinds.JOB, kinds.CRON_JOB, kinds.HORIZONTAL_POD_AUTOSCALER,
    )  # fmt: skip


@pytest.mark.parametrize(
    "name, resource, plural",
    [
        ("NetworkPolicy", "networkpolicies", "NetworkPolicies"),
        ("Ingress", "ingresses", "Ingresses"),
        ("Endpoints", "endpoints", "Endpoints"),
        ("EndpointSlice", "endpointslices", "EndpointSlices"),
    ],
)
def test_the_plural_of_methods_has_the_names_capitals(
    name: str, resource: str, plural: str
) -> None:
    named = type(
        name, (), {"DESCRIPTOR": type("Named", (), {"name": name, "full_name": f"x.{name}"})}
    )
    kind: AnyKind = Kind(message=named, api_version="v1", resource=resource)
    assert kind.plural_name == plural


def test_kinds_are_known_before_the_code_of_their_services_is_generated() -> None:
    program = (
        "import sys; from podraft.api import kinds\n"
        "assert [k.service for k in kinds.BUILT_IN if k.plural_name and k.list_message]\n"
        "found = [name for name in sys.modules if name.endswith('_service_pb2')]\n"
        "sys.exit(str(found) if found else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
