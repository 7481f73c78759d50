"""The replica sets of a Deployment, one per template that it had.

Owns: which replica set runs the current template, the names and revisions of
replica sets, and how many old ones are remembered.

Invariants: two replica sets of one Deployment never have the same template hash; the
current template's replica set has the highest revision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import DEPLOYMENT
from podraft.api.objects import owners, workloads
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.well_known import (
    APPLY_NOTES,
    DESIRED_REPLICAS,
    REPLICAS_MAX,
    REVISION,
    TEMPLATE_HASH_LABEL,
)
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.templates import HASH_LENGTH, comparable, without_hash

_NOT_COPIED = frozenset(
    {
        REVISION,
        DESIRED_REPLICAS,
        REPLICAS_MAX,
        *APPLY_NOTES,
    }
)


@dataclass(frozen=True, slots=True)
class History:
    """The replica sets that a Deployment owns: the current template's; the others, by age."""

    new: replica_set_pb2.ReplicaSet | None
    old: tuple[replica_set_pb2.ReplicaSet, ...]

    @property
    def all(self) -> tuple[replica_set_pb2.ReplicaSet, ...]:
        """All replica sets, the current one first."""
        return (self.new, *self.old) if self.new is not None else self.old


def history_of(
    deployment: deployment_pb2.Deployment, owned: Sequence[replica_set_pb2.ReplicaSet]
) -> History:
    """Separate the current template's replica set (the oldest, if several) from the others."""
    ordered = objects.oldest_first(owned)
    new = _find(deployment.spec.template, ordered, without_hash)
    if new is None:
        new = _find(deployment.spec.template, ordered, comparable)
    return History(new, tuple(rs for rs in ordered if rs is not new))


def _find(
    template: pod_pb2.PodTemplateSpec,
    replica_sets: Sequence[replica_set_pb2.ReplicaSet],
    form: Callable[[pod_pb2.PodTemplateSpec], pod_pb2.PodTemplateSpec],
) -> replica_set_pb2.ReplicaSet | None:
    wanted = form(template)
    return next((rs for rs in replica_sets if form(rs.spec.template) == wanted), None)


def next_revision(history: History) -> int:
    """Return the revision that the current template's replica set has or must get."""
    highest = max((workloads.revision_of(rs) for rs in history.old), default=0)
    own = workloads.revision_of(history.new) if history.new is not None else 0
    return max(own, highest + 1)


def make_replica_set(
    deployment: deployment_pb2.Deployment, name_hash: str, replicas: int, revision: int
) -> replica_set_pb2.ReplicaSet:
    """Return the replica set of the current template, as it is to be created."""
    spec = deployment.spec
    made = replica_set_pb2.ReplicaSet()
    made.spec.template.CopyFrom(spec.template)
    made.spec.template.metadata.labels[TEMPLATE_HASH_LABEL] = name_hash
    made.spec.selector.CopyFrom(spec.selector)
    made.spec.selector.match_labels[TEMPLATE_HASH_LABEL] = name_hash
    made.spec.replicas = replicas
    made.spec.min_ready_seconds = spec.min_ready_seconds
    made.metadata.name = replica_set_name(deployment, name_hash)
    made.metadata.namespace = deployment.metadata.namespace
    made.metadata.labels.update(made.spec.template.metadata.labels)
    made.metadata.owner_references.append(owners.controller_reference(DEPLOYMENT, deployment))
    made.metadata.annotations.update(annotations_of(deployment, revision))
    return made


def replica_set_name(deployment: deployment_pb2.Deployment, name_hash: str) -> str:
    """Return the name of the replica set with a template hash; never too long for a label."""
    return f"{deployment.metadata.name[: 253 - HASH_LENGTH - 1]}-{name_hash}"


def annotations_of(deployment: deployment_pb2.Deployment, revision: int) -> dict[str, str]:
    """Return the annotations of the current replica set: the Deployment's, and its revision."""
    copied = {
        key: value
        for key, value in deployment.metadata.annotations.items()
        if key not in _NOT_COPIED
    }
    return {**copied, REVISION: str(revision)}


def forgettable(
    deployment: deployment_pb2.Deployment, history: History
) -> list[replica_set_pb2.ReplicaSet]:
    """Return the empty old replica sets beyond ``revisionHistoryLimit``, oldest first."""
    spec = deployment.spec
    limit = workloads.history_limit(spec)
    empty = [rs for rs in history.old if _is_empty(rs)]
    excess = len([rs for rs in history.old if not is_deleting(rs.metadata)]) - limit
    return sorted(empty, key=workloads.revision_of)[: max(excess, 0)]


def _is_empty(replica_set: replica_set_pb2.ReplicaSet) -> bool:
    return (
        replica_set.spec.replicas == 0
        and replica_set.status.replicas == 0
        and replica_set.status.observed_generation >= replica_set.metadata.generation
        and not is_deleting(replica_set.metadata)
    )
