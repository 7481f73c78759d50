"""The descriptions of Deployments and ReplicaSets."""

from __future__ import annotations

from collections.abc import Sequence

from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.columns.column import selector_text
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects.workloads import revision_of
from podraft.cli.output.describe import common
from podraft.cli.output.describe.layout import NONE, block
from podraft.cli.output.describe.templates import Pairs, template_lines


def deployment_lines(
    deployment: deployment_pb2.Deployment, replica_sets: Sequence[replica_set_pb2.ReplicaSet]
) -> list[str]:
    """Return everything of a deployment but its events."""
    spec, status = deployment.spec, deployment.status
    pairs = common.metadata(deployment.metadata, namespaced=True)
    pairs += [
        ("Selector", selector_text(spec.selector)),
        (
            "Replicas",
            f"{spec.replicas} desired | {status.updated_replicas} updated | "
            f"{status.replicas} total | {status.available_replicas} available | "
            f"{status.unavailable_replicas} unavailable",
        ),
        ("StrategyType", spec.strategy.type or NONE),
        ("MinReadySeconds", str(spec.min_ready_seconds)),
    ]
    if spec.strategy.HasField("rolling_update"):
        rolling = spec.strategy.rolling_update
        pairs.append(
            (
                "RollingUpdateStrategy",
                f"{_amount(rolling.max_unavailable)} max unavailable, "
                f"{_amount(rolling.max_surge)} max surge",
            )
        )
    if spec.paused:
        pairs.append(("Paused", "True"))
    lines = block(pairs) + template_lines(spec.template)
    tail: Pairs = [("Conditions", common.conditions(status.conditions))]
    newest = replica_sets[-1] if replica_sets else None
    old = [rs for rs in replica_sets[:-1] if rs.spec.replicas or rs.status.replicas]
    tail.append(("OldReplicaSets", ", ".join(map(_counted, old)) or NONE))
    tail.append(("NewReplicaSet", _counted(newest) if newest is not None else NONE))
    return lines + block(tail)


def replica_set_lines(replica_set: replica_set_pb2.ReplicaSet) -> list[str]:
    """Return everything of a replica set but its events."""
    spec, status = replica_set.spec, replica_set.status
    pairs = common.metadata(replica_set.metadata, namespaced=True)
    revision = revision_of(replica_set)
    if revision:
        pairs.append(("Revision", str(revision)))
    pairs += [
        ("Selector", selector_text(spec.selector)),
        (
            "Replicas",
            f"{status.replicas} current / {spec.replicas} desired, "
            f"{status.ready_replicas} ready, {status.available_replicas} available",
        ),
    ]
    lines = block(pairs) + template_lines(spec.template)
    return lines + block([("Conditions", common.conditions(status.conditions))])


def _amount(value: meta_pb2.IntOrString) -> str:
    return value.str_val if value.type == 1 else str(value.int_val)


def _counted(replica_set: replica_set_pb2.ReplicaSet) -> str:
    return (
        f"{replica_set.metadata.name} "
        f"({replica_set.status.replicas}/{replica_set.spec.replicas} replicas created)"
    )
