"""Rollouts of stateful sets and daemon sets, told by their status alone."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec, kinds
from podraft.cli.kinds import rolling_kinds, running_view_of, view_of
from podraft.cli.kinds.view import Surroundings

NOW_S = 1_800_000_000.0
DONE = {
    "observedGeneration": 3, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
    "currentReplicas": 3, "updatedReplicas": 3, "currentRevision": "db-a", "updateRevision": "db-a",
}  # fmt: skip


def stateful_set(status: dict[str, Any], **strategy: Any) -> Any:
    return codec.from_json(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": "shop", "generation": 3},
            "spec": {
                "replicas": 3,
                "podManagementPolicy": "OrderedReady",
                "ordinals": {"start": 5},
                "selector": {"matchLabels": {"app": "db"}},
                "updateStrategy": strategy,
                "template": {"spec": {"containers": [{"name": "main", "image": "app:1"}]}},
            },
            "status": {**DONE, **status},
        }
    )


def test_kinds_that_roll_out_templates_are_followed() -> None:
    assert rolling_kinds() == (kinds.DAEMON_SET, kinds.DEPLOYMENT, kinds.STATEFUL_SET)


ROLLED_OUT = 'statefulset "db" successfully rolled out'
WAITING = 'Waiting for statefulset "db" rollout to finish: '
OLD = {"updateRevision": "db-b"}
CASES: list[tuple[dict[str, Any], dict[str, Any], str, bool]] = [
    ({}, {}, ROLLED_OUT, True),
    ({"observedGeneration": 2}, {}, "Waiting for statefulset spec update to be observed...", False),
    ({"availableReplicas": 2}, {}, f"{WAITING}1 of 3 pods are not available...", False),
    ({"replicas": 5}, {}, f"{WAITING}2 pods are pending termination...", False),
    (
        {**OLD, "updatedReplicas": 1},
        {},
        f"{WAITING}1 out of 3 new pods have been updated...",
        False,
    ),
    (
        {**OLD, "updatedReplicas": 0},
        {"rollingUpdate": {"partition": 2}},
        f"{WAITING}0 out of 1 new pods have been updated...",
        False,
    ),
    (
        {**OLD, "updatedReplicas": 1},
        {"rollingUpdate": {"partition": 2}},
        f"{ROLLED_OUT}: 2 pods keep the former template by its partition",
        True,
    ),
    (
        {**OLD, "updatedReplicas": 0},
        {"type": "OnDelete"},
        ROLLED_OUT,
        True,
    ),
]


@pytest.mark.parametrize(("status", "strategy", "message", "done"), CASES)
def test_how_far_a_stateful_set_is(
    status: dict[str, Any], strategy: dict[str, Any], message: str, done: bool
) -> None:
    view = running_view_of(kinds.STATEFUL_SET)
    assert view is not None
    obj = stateful_set(status, **strategy)
    progress = view.progress(obj, NOW_S)
    assert (progress.message, progress.done, progress.failed) == (message, done, False)
    told = view.why(obj, Surroundings(), NOW_S)
    assert f"  {message}" in told.lines
    assert told.word == ("Available" if done else "Pending")


def test_a_description_says_numbers_order_and_revisions() -> None:
    obj = stateful_set(OLD, type="RollingUpdate", rollingUpdate={"partition": 2})
    lines = view_of(kinds.STATEFUL_SET).describe(obj, Surroundings(), NOW_S)
    said = {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}
    assert said["Replicas"] == "3 desired, 3 current, 3 ready, 3 available, 3 updated"
    assert said["First Number"] == "5"
    assert said["Partition"] == "2"
    assert (said["Current Revision"], said["Update Revision"]) == ("db-a", "db-b")
