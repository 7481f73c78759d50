"""One pass over a Deployment: claim, size, make, forget, report.

Owns: the order of these steps and the writes they become.

Invariants: the Deployment itself is written at most once in a plan (its revision before
its status); a Deployment whose deletion began only reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import DEPLOYMENT, NAMESPACE, POD, REPLICA_SET
from podraft.api.moments import Now
from podraft.api.objects import owners, well_known
from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.pods import is_finished
from podraft.client.calls import writes
from podraft.server.controllers.core import objects
from podraft.server.controllers.core.indexes import BY_ORPHAN_NAMESPACE, BY_OWNER
from podraft.server.controllers.core.plan import Happening, ObjectKey, Plan, Snapshot
from podraft.server.controllers.core.templates import template_hash
from podraft.server.controllers.planners.deployments import history as histories
from podraft.server.controllers.planners.deployments import rollout, scaling, status
from podraft.server.controllers.planners.deployments.history import History
from podraft.server.controllers.planners.deployments.scaling import Bounds


@dataclass(slots=True)
class _Pass:
    """The decisions of one pass so far."""

    deployment: deployment_pb2.Deployment
    bounds: Bounds
    sizes: dict[str, int] = field(default_factory=dict)
    writes: list[commit_pb2.Write] = field(default_factory=list)
    events: list[Happening] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    created: str = ""
    collisions: int = 0

    def tell(self, reason: str, note: str) -> None:
        self.events.append(Happening(self.deployment, "Normal", reason, note))


def plan(snapshot: Snapshot, key: ObjectKey, now: Now) -> Plan:
    """Return the next step of one Deployment towards its spec."""
    deployment = snapshot.get(DEPLOYMENT, key.name, key.namespace)
    if deployment is None:
        return Plan()
    work = _Pass(
        deployment,
        scaling.bounds_of(deployment),
        collisions=deployment.status.collision_count,
    )
    history = histories.history_of(deployment, _claim(snapshot, work))
    ending = is_deleting(deployment.metadata) or _is_ending(snapshot, key.namespace)
    if not ending and not work.writes:
        # Ownership comes first: a claimed replica set changes the numbers.
        _advance(snapshot, work, history)
        _write_replica_sets(work, history)
    again_s = _write_deployment(work, history, now)
    return Plan(tuple(work.writes), tuple(work.events), again_s)


def _is_ending(snapshot: Snapshot, namespace: str) -> bool:
    found = snapshot.get(NAMESPACE, namespace)
    return found is not None and is_deleting(found.metadata)


def _claim(snapshot: Snapshot, work: _Pass) -> list[replica_set_pb2.ReplicaSet]:
    """Return the owned replica sets; release those that do not match, adopt orphans that do."""
    metadata = work.deployment.metadata
    own = owners.key_of(DEPLOYMENT, work.deployment)
    selector = objects.selector_of(work.deployment.spec.selector)
    claimed = []
    for owned in snapshot.by_index(REPLICA_SET, BY_OWNER, own.text):
        if not own.controls(owned.metadata):
            continue
        if selector.matches(owned.metadata.labels):
            claimed.append(owned)
        elif not is_deleting(owned.metadata):
            kept = owners.references_without(owned.metadata, own)
            work.writes.append(_set_owners(owned, kept))
    if is_deleting(metadata):
        return claimed
    reference = owners.controller_reference(DEPLOYMENT, work.deployment)
    for orphan in snapshot.by_index(REPLICA_SET, BY_ORPHAN_NAMESPACE, metadata.namespace):
        if selector.matches(orphan.metadata.labels) and not is_deleting(orphan.metadata):
            others = owners.references_without(orphan.metadata, own)
            work.writes.append(_set_owners(orphan, [*others, owners.reference_json(reference)]))
            # It takes part from the next pass on: an object is written once in a plan.
    return claimed


def _set_owners(
    replica_set: replica_set_pb2.ReplicaSet, references: list[dict[str, object]]
) -> commit_pb2.Write:
    metadata = replica_set.metadata
    return writes.patch(
        REPLICA_SET,
        metadata.name,
        {"metadata": {"ownerReferences": references}},
        metadata.namespace,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
    )


def _advance(snapshot: Snapshot, work: _Pass, history: History) -> None:
    """Decide the sizes of the replica sets, and whether a new one is made."""
    if work.deployment.spec.paused or scaling.is_scaling(work.deployment, history):
        work.sizes = scaling.scaled(work.deployment, history)
    elif work.deployment.spec.strategy.type == "Recreate":
        _recreate(snapshot, work, history)
    else:
        _roll(snapshot, work, history)
    if status.is_complete(work.deployment, work.deployment.status, work.bounds.replicas):
        for old in histories.forgettable(work.deployment, history):
            metadata = old.metadata
            work.forgotten.add(metadata.name)
            work.writes.append(
                writes.delete(REPLICA_SET, metadata.name, metadata.namespace, uid=metadata.uid)
            )


def _roll(snapshot: Snapshot, work: _Pass, history: History) -> None:
    if history.new is None:
        _create(snapshot, work, history, rollout.new_size(history, work.bounds))
        return
    size = rollout.new_size(history, work.bounds)
    if size != history.new.spec.replicas:
        # One direction per step: what shrinks next is decided on the result of this step.
        work.sizes[history.new.metadata.name] = size
        return
    work.sizes = rollout.old_sizes(history, work.bounds)


def _recreate(snapshot: Snapshot, work: _Pass, history: History) -> None:
    shrinking = {rs.metadata.name: 0 for rs in history.old if rs.spec.replicas}
    if shrinking:
        work.sizes = shrinking
    elif not _has_old_pods(snapshot, history):
        if history.new is None:
            _create(snapshot, work, history, work.bounds.replicas)
        else:
            work.sizes[history.new.metadata.name] = work.bounds.replicas


def _has_old_pods(snapshot: Snapshot, history: History) -> bool:
    """Return whether a pod of an older template still runs, terminating ones included."""
    return any(
        not is_finished(pod)
        for old in history.old
        for pod in snapshot.by_index(POD, BY_OWNER, owners.key_of(REPLICA_SET, old).text)
    )


def _create(snapshot: Snapshot, work: _Pass, history: History, replicas: int) -> None:
    deployment = work.deployment
    name_hash = template_hash(deployment.spec.template, work.collisions)
    name = histories.replica_set_name(deployment, name_hash)
    if snapshot.get(REPLICA_SET, name, deployment.metadata.namespace) is not None:
        # Another template has this hash, or another owner this name: vary it next time.
        work.collisions += 1
        return
    made = histories.make_replica_set(
        deployment, name_hash, replicas, histories.next_revision(history)
    )
    made.metadata.annotations.update(_size_annotations(work.bounds))
    work.writes.append(writes.create(made))
    work.created = name
    work.tell("ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {replicas}")


def _size_annotations(bounds: Bounds) -> dict[str, str]:
    return {
        well_known.DESIRED_REPLICAS: str(bounds.replicas),
        well_known.REPLICAS_MAX: str(bounds.total_max),
    }


def _write_replica_sets(work: _Pass, history: History) -> None:
    """Write each replica set whose size, revision or annotations differ from the decision."""
    for replica_set in history.all:
        if replica_set.metadata.name in work.forgotten or is_deleting(replica_set.metadata):
            continue
        changed = _changed(work, history, replica_set)
        if changed != replica_set:
            work.writes.append(writes.update(changed))
            _tell_size(work, replica_set, changed.spec.replicas)


def _changed(
    work: _Pass, history: History, replica_set: replica_set_pb2.ReplicaSet
) -> replica_set_pb2.ReplicaSet:
    changed = objects.copied(replica_set)
    size = work.sizes.get(replica_set.metadata.name, replica_set.spec.replicas)
    if size != replica_set.spec.replicas:
        changed.spec.replicas = size
    if (size and not work.deployment.spec.paused) or replica_set.metadata.name in work.sizes:
        changed.metadata.annotations.update(_size_annotations(work.bounds))
    if replica_set is history.new and not work.deployment.spec.paused:
        changed.spec.min_ready_seconds = work.deployment.spec.min_ready_seconds
        revision = histories.next_revision(history)
        changed.metadata.annotations.update(histories.annotations_of(work.deployment, revision))
    return changed


def _tell_size(work: _Pass, replica_set: replica_set_pb2.ReplicaSet, size: int) -> None:
    before = replica_set.spec.replicas
    if size != before:
        direction = "up" if size > before else "down"
        name = replica_set.metadata.name
        work.tell(
            "ScalingReplicaSet",
            f"Scaled {direction} replica set {name} from {before} to {size}",
        )


def _write_deployment(work: _Pass, history: History, now: Now) -> float | None:
    """Write the revision, or else the status; return the seconds until the deadline's check."""
    deployment = work.deployment
    observed = status.status_of(
        deployment, history, work.bounds, status.Step(work.created, work.collisions), now
    )
    revision = _revision(work, history)
    # A new replica set is reported at once; its revision follows in the next pass.
    if revision and deployment.metadata.annotations.get(well_known.REVISION) != revision:
        annotation = {"metadata": {"annotations": {well_known.REVISION: revision}}}
        metadata = deployment.metadata
        work.writes.append(
            writes.patch(
                DEPLOYMENT, metadata.name, annotation, metadata.namespace, uid=metadata.uid
            )
        )
    elif observed != deployment.status:
        changed = objects.copied(deployment)
        changed.status.CopyFrom(observed)
        work.writes.append(writes.update_status(changed))
    return status.deadline_in_s(deployment, observed, work.bounds.replicas, now)


def _revision(work: _Pass, history: History) -> str:
    if work.deployment.spec.paused or history.new is None:
        return ""
    return str(histories.next_revision(history))
