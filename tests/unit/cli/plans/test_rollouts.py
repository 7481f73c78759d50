"""What a Deployment's status means, and what undoing a revision writes."""

from __future__ import annotations

from typing import Any

import pytest

from podraft.api import codec
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.objects import well_known
from podraft.api.objects.workloads import revision_of
from podraft.cli.plans import rollouts


def deployment(generation: int = 2, replicas: int = 3, **status: Any) -> deployment_pb2.Deployment:
    made = codec.from_json(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "uid": "d", "generation": generation},
            "spec": {
                "replicas": replicas,
                "template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}},
            },
            "status": {"observedGeneration": 2} | status,
        }
    )
    assert isinstance(made, deployment_pb2.Deployment)
    return made


def replica_set(revision: int, image: str, owner: str = "d") -> replica_set_pb2.ReplicaSet:
    made = codec.from_json(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"web-{revision}",
                "annotations": {well_known.REVISION: str(revision)},
                "ownerReferences": [
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "web",
                        "uid": owner,
                        "controller": True,
                    }
                ],
            },
            "spec": {
                "template": {
                    "metadata": {"labels": {well_known.TEMPLATE_HASH_LABEL: "abc"}},
                    "spec": {"containers": [{"name": "c", "image": image}]},
                }
            },
        }
    )
    assert isinstance(made, replica_set_pb2.ReplicaSet)
    return made


DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


@pytest.mark.parametrize(
    ("made", "message", "done", "failed"),
    [
        (deployment(generation=3), "Waiting for deployment spec update to be observed...", 0, 0),
        (deployment(updatedReplicas=1), "1 out of 3 new replicas have been updated...", 0, 0),
        (
            deployment(updatedReplicas=3, replicas=4),
            "3 out of 4 new replicas have been updated...", 0, 0,
        ),
        (
            deployment(updatedReplicas=3, availableReplicas=2),
            "2 of 3 updated replicas are available...", 0, 0,
        ),
        (
            deployment(updatedReplicas=3, availableReplicas=3),
            'deployment "web" successfully rolled out', 1, 0,
        ),
        (deployment(replicas=0), 'deployment "web" successfully rolled out', 1, 0),
        (
            deployment(conditions=[DEADLINE]),
            'deployment "web" exceeded its progress deadline', 0, 1,
        ),
    ],
)  # fmt: skip
def test_progress_is_said_in_kubectls_words(
    made: deployment_pb2.Deployment, message: str, done: int, failed: int
) -> None:
    state = rollouts.progress(made)

    assert state.message.endswith(message)
    assert (state.done, state.failed) == (bool(done), bool(failed))


def test_old_pods_that_still_run_hold_a_rollout_up() -> None:
    made = deployment(updatedReplicas=3, availableReplicas=3)
    made.status.replicas = 4

    assert rollouts.progress(made).message.endswith("1 old replicas are pending termination...")


def test_revisions_are_those_the_deployment_controls_the_oldest_first() -> None:
    sets = [replica_set(10, "b"), replica_set(9, "a"), replica_set(3, "x", owner="other")]

    assert [revision_of(rs) for rs in rollouts.owned(deployment(), sets)] == [9, 10]


def test_the_revision_to_go_back_to_is_the_last_but_one_or_the_one_asked_for() -> None:
    sets = [replica_set(1, "a"), replica_set(4, "b"), replica_set(5, "c")]

    def chosen(revision: int) -> int:
        found = rollouts.wanted_revision(sets, revision)
        return revision_of(found) if found is not None else 0

    assert [chosen(0), chosen(1), chosen(5), chosen(2)] == [4, 1, 5, 0]
    assert rollouts.wanted_revision(sets[:1], 0) is None


def test_undo_restores_the_template_without_the_label_of_its_hash() -> None:
    patch = rollouts.undo_patch(deployment(), replica_set(1, "i:1"))

    assert codec.merge_patch(codec.to_json(deployment()), patch)["spec"]["template"] == {
        "metadata": {},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    }


def test_undoing_to_the_present_template_changes_no_container() -> None:
    before = deployment()
    before.spec.template.metadata.SetInParent()

    assert rollouts.undo_patch(before, replica_set(2, "i:2")) in (
        {},
        {"spec": {"template": {"metadata": {}}}},
    )
