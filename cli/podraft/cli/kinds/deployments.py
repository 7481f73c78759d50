"""The view of a Deployment: its rollout, its replica sets, what holds it up."""

from __future__ import annotations

from collections.abc import Sequence

from podraft.api import kinds
from podraft.api.apps.v1 import deployment_pb2, replica_set_pb2
from podraft.api.columns.column import selector_text
from podraft.api.meta.v1 import meta_pb2
from podraft.api.objects import owners
from podraft.api.objects.workloads import revision_of
from podraft.cli.kinds.pod_reasons import Blocked, blocked_pods
from podraft.cli.kinds.view import (
    Explanation,
    Need,
    RunningView,
    Surroundings,
    bullets,
    latest_events,
)
from podraft.cli.output.sections import common
from podraft.cli.output.sections.layout import NONE, block, indented, table
from podraft.cli.output.sections.templates import Pairs, template_lines
from podraft.cli.plans import rollouts
from podraft.cli.plans.rollouts import Progress

_PODS_SHOWN = 3


class DeploymentView(RunningView[deployment_pb2.Deployment]):
    """The view of a deployment: what its status says of the rollout, and the state of its pods."""

    describe_needs = frozenset({Need.EVENTS, Need.REPLICA_SETS})
    tells_of_pods = True
    rolls_out = True

    def body(
        self, deployment: deployment_pb2.Deployment, around: Surroundings, now_s: float
    ) -> list[str]:
        """Return the lines of a deployment without its events."""
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
        newest = around.replica_sets[-1] if around.replica_sets else None
        old = [rs for rs in around.replica_sets[:-1] if rs.spec.replicas or rs.status.replicas]
        tail.append(("OldReplicaSets", ", ".join(map(_counted, old)) or NONE))
        tail.append(("NewReplicaSet", _counted(newest) if newest is not None else NONE))
        return lines + block(tail)

    def why_needs(self, deployment: deployment_pb2.Deployment) -> frozenset[Need]:
        """Return what is needed to explain a deployment."""
        return frozenset({Need.EVENTS, Need.REPLICA_SETS, Need.SELECTED_PODS, Need.POD_RECORDS})

    def why(
        self, deployment: deployment_pb2.Deployment, around: Surroundings, now_s: float
    ) -> Explanation:
        """Return what a deployment's rollout waits for."""
        own = [owners.key_of(kinds.REPLICA_SET, one) for one in around.replica_sets]
        mine = [pod for pod in around.pods if any(owner.controls(pod.metadata) for owner in own)]
        state = rollouts.progress(deployment)
        lines = [f"  {state.message}", ""]
        rows = replica_set_rows(around.replica_sets)
        if rows:
            headers = ["Replica set", "Revision", "Is", "Desired", "There", "Ready", "Available"]
            lines += [*indented(table(headers, rows)), ""]
        found = deployment_reasons(deployment, around.replica_sets)
        blocked = blocked_pods(mine, around.pod_records, now_s)
        found += [_blocked_line(one, len(mine)) for one in blocked]
        lines += ["What it waits for:" if found else "It is as it should be.", *bullets(found)]
        lines += latest_events(around.events, now_s)
        return Explanation(lines, _word(state))

    def progress(self, deployment: deployment_pb2.Deployment, now_s: float) -> Progress:
        """Return how far a deployment's rollout has come."""
        return rollouts.progress(deployment)


def _word(state: Progress) -> str:
    return "Available" if state.done else "Failed" if state.failed else "Pending"


def _blocked_line(blocked: Blocked, pods: int) -> str:
    more = len(blocked.pods) - _PODS_SHOWN
    shown = ", ".join(blocked.pods[:_PODS_SHOWN])
    some = f"{shown} and {more} more" if more > 0 else shown
    return f"{len(blocked.pods)} of {pods} pods: {blocked.reason} ({some})"


def deployment_reasons(
    deployment: deployment_pb2.Deployment, replica_sets: Sequence[replica_set_pb2.ReplicaSet]
) -> list[str]:
    """Return what, apart from its pods, holds a deployment up."""
    reasons = []
    if deployment.spec.paused:
        reasons.append("it is paused: changes of its template wait for rollout resume")
    if deployment.metadata.generation > deployment.status.observed_generation:
        reasons.append("its last change was not seen by the controllers yet: are they running?")
    for condition in deployment.status.conditions:
        healthy = condition.status == ("False" if condition.type == "ReplicaFailure" else "True")
        if not healthy:
            said = ": ".join(part for part in (condition.reason, condition.message) if part)
            reasons.append(f"{condition.type} is {condition.status}: {said}")
    for replica_set in replica_sets:
        reasons += [
            f"replicaset {replica_set.metadata.name}: {failure.message}"
            for failure in replica_set.status.conditions
            if failure.type == "ReplicaFailure" and failure.status == "True"
        ]
    return reasons


def replica_set_rows(replica_sets: Sequence[replica_set_pb2.ReplicaSet]) -> list[list[str]]:
    """Return the rows of the replica sets that matter, the newest first."""
    rows = []
    for index, replica_set in enumerate(reversed(replica_sets)):
        if index and not replica_set.spec.replicas and not replica_set.status.replicas:
            continue
        rows.append(
            [
                replica_set.metadata.name,
                str(revision_of(replica_set)),
                "new" if index == 0 else "old",
                str(replica_set.spec.replicas),
                str(replica_set.status.replicas),
                str(replica_set.status.ready_replicas),
                str(replica_set.status.available_replicas),
            ]
        )
    return rows


def _amount(value: meta_pb2.IntOrString) -> str:
    return value.str_val if value.type == 1 else str(value.int_val)


def _counted(replica_set: replica_set_pb2.ReplicaSet) -> str:
    return (
        f"{replica_set.metadata.name} "
        f"({replica_set.status.replicas}/{replica_set.spec.replicas} replicas created)"
    )
