"""Fields and defaults that came later than an object: nobody asked for them when it changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podraft.api import kinds
from podraft.api.kinds import AnyKind
from podraft.api.violations import InvalidObjectError, Violation
from podraft.server import kinds as rooms
from podraft.server.controllers.planners.deployments.history import history_of
from support.api_objects import example

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def stored(kind: AnyKind) -> Any:
    new = example(kind, "web")
    return rooms.prepare_create(
        kind, new, now=NOW, uid="u-1", name_suffix="x7k2p", known=kinds.BUILT_IN
    )


def update(kind: AnyKind, before: Any, after: Any) -> Any:
    return rooms.prepare_update(kind, before, after, known=kinds.BUILT_IN)


def copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


@pytest.mark.parametrize("kind", [kinds.POD, kinds.DEPLOYMENT, kinds.SERVICE], ids=str)
def test_defaults_that_an_older_server_did_not_know_are_no_change(kind: AnyKind) -> None:
    before = stored(kind)
    pod_spec = before.spec.template.spec if kind is kinds.DEPLOYMENT else before.spec
    if kind is kinds.SERVICE:
        before.spec.ClearField("session_affinity")
        before.spec.ClearField("ip_families")
    else:
        pod_spec.ClearField("dns_policy")
        pod_spec.containers[0].ClearField("termination_message_path")
    after = copied(before)
    after.metadata.labels["new"] = "label"
    result = update(kind, before, after)
    assert result.metadata.labels["new"] == "label"
    assert result.metadata.generation == before.metadata.generation


def test_a_template_that_gets_later_defaults_stays_with_its_pods() -> None:
    deployment, replica_set = stored(kinds.DEPLOYMENT), stored(kinds.REPLICA_SET)
    old = replica_set.spec.template.spec
    old.ClearField("dns_policy")
    old.containers[0].ClearField("termination_message_path")
    old.containers[0].ClearField("termination_message_policy")
    assert deployment.spec.template != replica_set.spec.template
    assert history_of(deployment, [replica_set]).new == replica_set
    old.containers[0].image = "registry.example/app:2"
    assert history_of(deployment, [replica_set]).new is None


def test_gates_of_a_pod_can_be_taken_away_and_not_added() -> None:
    before = stored(kinds.POD)
    before.spec.scheduling_gates.add(name="example.com/a")
    after = copied(before)
    del after.spec.scheduling_gates[:]
    assert not update(kinds.POD, before, after).spec.scheduling_gates
    after.spec.scheduling_gates.add(name="example.com/b")
    with pytest.raises(InvalidObjectError) as refused:
        update(kinds.POD, before, after)
    says = "can only be taken away, not changed or added"
    assert refused.value.violations == (Violation("spec.schedulingGates", says),)
