"""The meaning of a Deployment's status: done, under way, failed; its revisions.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api import codec, kinds
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.objects import conditions, owners, well_known
from podraft.api.objects.workloads import replicas, revision_of


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an operation, in one sentence."""

    message: str
    done: bool = False
    failed: bool = False

    @property
    def short(self) -> str:
        """The sentence without the name of the deployment."""
        return (self.message.partition("finish: ")[2] or self.message).removesuffix("...")


def progress(deployment: deployment_pb2.Deployment) -> Progress:
    """Return how far a rollout has come, by the rules of ``kubectl rollout status``."""
    name, status = deployment.metadata.name, deployment.status
    if deployment.metadata.generation > status.observed_generation:
        return Progress("Waiting for deployment spec update to be observed...")
    progressing = conditions.find(status.conditions, "Progressing")
    if progressing is not None and progressing.reason == "ProgressDeadlineExceeded":
        return Progress(f'deployment "{name}" exceeded its progress deadline', failed=True)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    wanted = replicas(deployment.spec)
    if status.updated_replicas < wanted:
        return Progress(
            f"{waiting}{status.updated_replicas} out of {wanted} new replicas have been updated..."
        )
    old = status.replicas - status.updated_replicas
    if old > 0:
        return Progress(f"{waiting}{old} old replicas are pending termination...")
    if status.available_replicas < status.updated_replicas:
        return Progress(
            f"{waiting}{status.available_replicas} of {status.updated_replicas} "
            "updated replicas are available..."
        )
    return Progress(f'deployment "{name}" successfully rolled out', done=True)


def owned(
    deployment: deployment_pb2.Deployment, replica_sets: Iterable[replica_set_pb2.ReplicaSet]
) -> list[replica_set_pb2.ReplicaSet]:
    """Return the deployment's ReplicaSets, the oldest revision first."""
    own = owners.key_of(kinds.DEPLOYMENT, deployment)
    mine = [one for one in replica_sets if own.controls(one.metadata)]
    return sorted(mine, key=revision_of)


def wanted_revision(
    replica_sets: Sequence[replica_set_pb2.ReplicaSet], revision: int
) -> replica_set_pb2.ReplicaSet | None:
    """Return the ReplicaSet of a revision; for 0, that of the last revision but one."""
    known = [replica_set for replica_set in replica_sets if revision_of(replica_set)]
    if revision == 0:
        return known[-2] if len(known) > 1 else None
    return next((rs for rs in known if revision_of(rs) == revision), None)


def undo_patch(
    deployment: deployment_pb2.Deployment, replica_set: replica_set_pb2.ReplicaSet
) -> dict[str, Any]:
    """Return the patch that gives a deployment a ReplicaSet's template; empty if it has it."""
    template = type(replica_set.spec.template)()
    template.CopyFrom(replica_set.spec.template)
    template.metadata.labels.pop(well_known.TEMPLATE_HASH_LABEL, None)
    now, then = codec.to_json(deployment.spec.template), codec.to_json(template)
    difference = codec.create_merge_patch(now, then)
    return {"spec": {"template": difference}} if difference else {}
