"""Choosing nodes for a batch of pods, one after another, on the updated table.

Owns: the choice among nodes that fit and the record that says why.  Invariants:
no pod is placed where a filter refuses it, so no node is ever overcommitted;
the same table and pods give the same decisions; nodes that are equally good are
chosen by the pod's uid, so they share the load.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from podraft.api.core.v1.scheduling_pb2 import FilterRejection, NodeScore, SchedulingRecord
from podraft.server.scheduling.core.demand import PendingPod, Profile
from podraft.server.scheduling.core.evaluation import SPREAD_WEIGHT, Evaluation, Rejection
from podraft.server.scheduling.core.table import NodeTable, Scores

_SCORES_MAX: Final = 5
_EVALUATIONS_MAX: Final = 32
# Scores closer than this are equal: the last digits of their sums depend on history.
_EPSILON: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Decision:
    """The node of a pod (None: no node can take it now) and the reasons; the record is shared."""

    pod: PendingPod
    node: str | None
    record: SchedulingRecord


class Scheduler:
    """A scheduler of pods on a table; it keeps the results for the profiles that it has seen."""

    def __init__(self, table: NodeTable) -> None:
        self.table = table
        self._evaluations: dict[Profile, Evaluation] = {}
        # The last failure of a profile holds as long as nothing changes.
        self._failures: dict[Profile, tuple[tuple[int, int], SchedulingRecord]] = {}

    def schedule(self, pods: Sequence[PendingPod]) -> list[Decision]:
        """Decide each pod in turn, and place on the table those that found a node."""
        return [self._decide(pod) for pod in pods]

    def _decide(self, pod: PendingPod) -> Decision:
        table = self.table
        evaluation = self._evaluation(pod.profile)
        state = (table.generation, table.position)
        failure = self._failures.get(pod.profile)
        if failure is not None and failure[0] == state:
            return Decision(pod, None, failure[1])
        evaluation.refresh()
        spread = _spread(table, pod.owner)
        total = evaluation.base if spread is None else evaluation.base + spread * SPREAD_WEIGHT
        best = total.max()
        if best == -np.inf:
            record = _failure_record(len(table), evaluation.rejections())
            self._failures[pod.profile] = (state, record)
            return Decision(pod, None, record)
        equals = np.flatnonzero(total >= best - _EPSILON)
        row = int(equals[zlib.crc32(pod.uid.encode()) % len(equals)])
        record = SchedulingRecord(node_name=table.names[row], nodes_considered=len(table))
        fitting = int(np.count_nonzero(evaluation.fits))
        record.message = (
            f"assigned to {record.node_name}; {fitting} of {record.nodes_considered} nodes fit"
        )
        record.rejections.extend(_rejection_message(r) for r in evaluation.rejections())
        self._add_scores(record, evaluation, spread, total, [row, *_runners_up(total, equals, row)])
        table.place(pod.uid, table.names[row], pod.profile.demand, pod.owner)
        return Decision(pod, table.names[row], record)

    def _evaluation(self, profile: Profile) -> Evaluation:
        found = self._evaluations.pop(profile, None)
        if found is None:
            if len(self._evaluations) >= _EVALUATIONS_MAX:
                oldest = next(iter(self._evaluations))
                del self._evaluations[oldest]
                self._failures.pop(oldest, None)
            found = Evaluation(self.table, profile)
        self._evaluations[profile] = found  # The most recently used is last.
        return found

    def _add_scores(
        self,
        record: SchedulingRecord,
        evaluation: Evaluation,
        spread: Scores | None,
        total: Scores,
        rows: list[int],
    ) -> None:
        for row in rows:
            by_plugin = {
                "LeastAllocated": float(evaluation.least_allocated[row]),
                "BalancedAllocation": float(evaluation.balanced[row]),
                "TaintToleration": float(evaluation.taints[row]),
            }
            if spread is not None:
                by_plugin["ReplicaSpread"] = float(spread[row])
            record.scores.append(
                NodeScore(
                    node_name=self.table.names[row], total=float(total[row]), by_plugin=by_plugin
                )
            )


def message_of(nodes: int, rejections: Sequence[Rejection]) -> str:
    """Return Kubernetes' sentence for a pod that fits no node, the commonest reason first."""
    if not nodes:
        return "no nodes are available to schedule pods"
    ordered = sorted(rejections, key=lambda rejection: (-rejection.nodes, rejection.reason))
    reasons = ", ".join(f"{rejection.nodes} {rejection.reason}" for rejection in ordered)
    return f"0/{nodes} nodes are available: {reasons}."


def _spread(table: NodeTable, owner: str) -> Scores | None:
    """Return 100 for nodes without a pod of the owner, 0 for the node with most of them."""
    counts = table.owner_counts(owner) if owner else None
    if counts is None:
        return None
    most = (counts * table.present).max()
    if not most:
        return None  # All of them are on nodes that have left.
    spread: Scores = (most - counts) * (100.0 / most)
    return spread


def _runners_up(
    total: Scores, equals: np.ndarray[tuple[int], np.dtype[np.intp]], row: int
) -> list[int]:
    """Return the best rows after ``row``, best first."""
    if len(equals) >= _SCORES_MAX:
        others: list[int] = equals[:_SCORES_MAX].tolist()
    else:
        size = min(_SCORES_MAX, len(total))
        best = np.argpartition(total, len(total) - size)[len(total) - size :]
        fitting = best[total[best] > -np.inf]
        others = fitting[np.argsort(-total[fitting], kind="stable")].tolist()
    return [other for other in others if other != row][: _SCORES_MAX - 1]


def _failure_record(nodes: int, rejections: Sequence[Rejection]) -> SchedulingRecord:
    return SchedulingRecord(
        nodes_considered=nodes,
        message=message_of(nodes, rejections),
        rejections=[_rejection_message(rejection) for rejection in rejections],
    )


def _rejection_message(rejection: Rejection) -> FilterRejection:
    return FilterRejection(
        filter=rejection.filter,
        reason=rejection.reason,
        nodes=rejection.nodes,
        examples=rejection.examples,
    )
