"""Deleting: at once when nothing holds the object, else in two steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podraft.api import kinds, times
from podraft.api.core.v1 import config_pb2, namespace_pb2, pod_pb2
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from podraft.server.kinds import MarkDeleting, Remove

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def options(grace_s: int | None = None, policy: str = "") -> requests_pb2.DeleteOptions:
    result = requests_pb2.DeleteOptions()
    if grace_s is not None:
        result.grace_period_seconds = grace_s
    if policy:
        result.propagation_policy = getattr(requests_pb2, f"PROPAGATION_POLICY_{policy}")
    return result


def pod(node: str = "n1", phase: str = "Running", *finalizers: str) -> pod_pb2.Pod:
    result = pod_pb2.Pod()
    result.metadata.generation = 1
    result.metadata.finalizers.extend(finalizers)
    result.spec.termination_grace_period_seconds = 20
    result.spec.node_name = node
    result.status.phase = phase
    return result


def delete(stored: Any, how: requests_pb2.DeleteOptions, now: datetime = NOW) -> Any:
    before = stored.SerializeToString(deterministic=True)
    decision = rooms.prepare_delete(kinds.BUILT_IN.of(stored), stored, how, now=now)
    assert stored.SerializeToString(deterministic=True) == before
    return decision


def marked(stored: Any, how: requests_pb2.DeleteOptions, now: datetime = NOW) -> Any:
    decision = delete(stored, how, now)
    assert isinstance(decision, MarkDeleting)
    assert not rooms.is_gone(kinds.BUILT_IN.of(stored), decision.object)
    return decision.object


def deadline(stored: Any) -> tuple[datetime, int]:
    metadata = stored.metadata
    moment = times.datetime_of(metadata.deletion_timestamp)
    return moment, metadata.deletion_grace_period_seconds


@pytest.mark.parametrize(
    ("stored", "how"),
    [
        (config_pb2.ConfigMap(), options()),
        (config_pb2.ConfigMap(), options(60)),
        (pod(node=""), options()),
        (pod(phase="Succeeded"), options()),
        (pod(phase="Failed"), options(30)),
        (pod(), options(0)),
    ],
)
def test_what_nothing_holds_goes_at_once(stored: Any, how: requests_pb2.DeleteOptions) -> None:
    assert delete(stored, how) == Remove()


@pytest.mark.parametrize("grace_s", [2**63 - 1, 63_902_919_846, 60])
@pytest.mark.parametrize("seconds", [-(2**63), 0, 2**63 - 1])
def test_a_deadline_that_makes_no_sense_can_be_shortened(seconds: int, grace_s: int) -> None:
    stored = marked(pod(), options(5))
    stored.metadata.deletion_timestamp.seconds = seconds
    stored.metadata.deletion_grace_period_seconds = grace_s
    moment, left_s = deadline(marked(stored, options(3)))
    assert moment <= NOW + timedelta(seconds=3)
    assert left_s == 3
    stored.metadata.deletion_grace_period_seconds = -grace_s
    assert deadline(marked(stored, options(3))) == deadline(stored)
    assert delete(stored, options(0)) == Remove()


@pytest.mark.parametrize(("asked", "grace_s"), [(None, 20), (5, 5), (90, 90)])
def test_a_running_pod_gets_its_grace_period(asked: int | None, grace_s: int) -> None:
    result = marked(pod(), options(asked))
    assert deadline(result) == (NOW + timedelta(seconds=grace_s), grace_s)
    assert result.metadata.generation == 2


def test_a_pod_that_says_no_grace_period_gets_thirty_seconds() -> None:
    stored = pod()
    stored.spec.ClearField("termination_grace_period_seconds")
    assert deadline(marked(stored, options()))[1] == 30


def test_a_second_deletion_shortens_but_never_lengthens() -> None:
    first = marked(pod(), options())
    later = NOW + timedelta(seconds=3)
    assert marked(first, options(), later) == first
    assert marked(first, options(60), later) == first
    shorter = marked(first, options(5), later)
    assert deadline(shorter) == (NOW + timedelta(seconds=5), 5)
    assert delete(shorter, options(0), later) == Remove()


def test_a_pod_whose_containers_stopped_waits_for_its_finalizers_only() -> None:
    first = marked(pod("n1", "Running", "example.com/a"), options())
    stopped = marked(first, options(0))
    assert deadline(stopped) == (NOW, 0)
    stopped.metadata.ClearField("finalizers")
    assert rooms.is_gone(kinds.POD, stopped)


def test_a_pod_whose_finalizers_are_gone_waits_for_its_containers() -> None:
    first = marked(pod("n1", "Running", "example.com/a"), options())
    first.metadata.ClearField("finalizers")
    assert not rooms.is_gone(kinds.POD, first)


def test_what_is_not_being_deleted_is_not_gone() -> None:
    assert not rooms.is_gone(kinds.CONFIG_MAP, config_pb2.ConfigMap())


@pytest.mark.parametrize(
    ("policy", "before", "after"),
    [
        ("FOREGROUND", [], ["foregroundDeletion"]),
        ("FOREGROUND", ["orphan", "x.io/a"], ["x.io/a", "foregroundDeletion"]),
        ("ORPHAN", ["foregroundDeletion"], ["orphan"]),
        ("BACKGROUND", ["foregroundDeletion", "x.io/a"], ["x.io/a"]),
        ("", ["orphan"], ["orphan"]),
    ],
)
def test_propagation_is_written_as_finalizers(
    policy: str, before: list[str], after: list[str]
) -> None:
    stored = config_pb2.ConfigMap()
    stored.metadata.finalizers.extend(before)
    result = marked(stored, options(policy=policy))
    assert list(result.metadata.finalizers) == after
    assert deadline(result) == (NOW, 0)
    result.metadata.ClearField("finalizers")
    assert rooms.is_gone(kinds.CONFIG_MAP, result)


def test_background_deletion_of_an_orphaning_object_goes_at_once() -> None:
    stored = config_pb2.ConfigMap()
    stored.metadata.finalizers.append("orphan")
    assert delete(stored, options(policy="BACKGROUND")) == Remove()


def test_a_namespace_terminates_until_it_is_empty() -> None:
    namespace = namespace_pb2.Namespace()
    namespace.spec.finalizers.append("kubernetes")
    result = marked(namespace, options())
    assert result.status.phase == "Terminating"
    assert marked(result, options(), NOW + timedelta(hours=1)) == result
    result.ClearField("spec")
    assert rooms.is_gone(kinds.NAMESPACE, result)
    result.metadata.finalizers.append("example.com/a")
    assert not rooms.is_gone(kinds.NAMESPACE, result)


@pytest.mark.parametrize("name", ["default", "kube-node-lease", "podraft-system", "kube-system"])
def test_the_clusters_own_namespaces_stay(name: str) -> None:
    namespace = namespace_pb2.Namespace()
    namespace.metadata.name = name
    with pytest.raises(InvalidObjectError, match=f"the namespace {name} cannot be deleted"):
        delete(namespace, options())


@pytest.mark.parametrize("grace_s", [-1, 2**62])
def test_a_grace_period_has_bounds(grace_s: int) -> None:
    with pytest.raises(InvalidObjectError, match=r"options.gracePeriodSeconds: must be 0 to"):
        delete(pod(), options(grace_s))
