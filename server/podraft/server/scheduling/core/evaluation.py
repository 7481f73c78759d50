"""Filters and scores of all nodes for the pods of one profile.

Owns: which nodes a profile fits and how good each is.  Invariant: after
`refresh` the arrays are what a computation from nothing would give; between
refreshes only the rows that changed are computed again, with the same code.

Filters, in Kubernetes' order; a node is counted at the first that refuses it:
NodeUnschedulable, TaintToleration, NodeSelector, NodeResourcesFit.  A pod that was created with
its node's name is never pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from podraft.api.objects.amounts import PODS
from podraft.api.objects.taints import NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, is_tolerated
from podraft.server.scheduling.core.demand import Profile
from podraft.server.scheduling.core.table import Mask, NodeTable, Scores
from podraft.server.scheduling.core.taints import (
    UNSCHEDULABLE,
)

LEAST_ALLOCATED_WEIGHT: Final = 1.0
BALANCED_WEIGHT: Final = 1.0
SPREAD_WEIGHT: Final = 2.0
TAINT_WEIGHT: Final = 3.0

EXAMPLES_MAX: Final = 5

Rows: TypeAlias = slice | npt.NDArray[np.intp]
_ALL: Final = slice(None)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The number of nodes that one filter refused for one reason, and a few of them."""

    filter: str
    reason: str
    nodes: int
    examples: tuple[str, ...]


class Evaluation:
    """One profile's filters and scores over all rows of a table."""

    def __init__(self, table: NodeTable, profile: Profile) -> None:
        self._table = table
        self._profile = profile
        self._generation = -1
        self._position = 0
        self._requests = [
            (table.resource(name), name, amount) for name, amount in profile.demand.requests
        ]
        self._rejections: tuple[Rejection, ...] = ()
        self._suitable: Mask
        self._suitable_count = 0
        self.fits: Mask
        self.base: Scores
        """The weighted sum of all scores but the spread; minus infinity where it does not fit."""
        self.least_allocated: Scores
        self.balanced: Scores
        self.taints: Scores

    def refresh(self) -> None:
        """Bring all arrays to the table's present state."""
        table = self._table
        changed = table.changed_since(self._position)
        if self._generation != table.generation or changed is None:
            self._restart()
        elif len(changed) * 4 > table.capacity:
            self._update(_ALL)
        elif changed:
            self._update(np.fromiter(set(changed), np.intp))
        self._position = table.position

    def rejections(self) -> tuple[Rejection, ...]:
        """Return the nodes that each filter refused, in the filters' order."""
        if int(np.count_nonzero(self.fits)) == self._suitable_count:
            return self._rejections
        return (*self._rejections, *self._lacking())

    def _restart(self) -> None:
        table = self._table
        self._generation = table.generation
        self._suitable = table.present.copy()
        self._rejections = tuple(self._filter(self._suitable))
        self._suitable_count = int(np.count_nonzero(self._suitable))
        self.taints = self._taint_scores()
        self.fits = np.empty(table.capacity, np.bool_)
        self.base, self.least_allocated, self.balanced = (
            np.empty(table.capacity, np.float64) for _ in range(3)
        )
        self._update(_ALL)

    def _filter(self, remaining: Mask) -> Iterator[Rejection]:
        """Remove from ``remaining`` the nodes refused by filters that do not look at resources."""
        for name, reason, refused in self._refusals():
            hit = remaining & refused
            if hit.any():
                remaining &= ~refused
                yield self._rejection(name, reason, hit)

    def _refusals(self) -> Iterator[tuple[str, str, Mask]]:
        table, profile = self._table, self._profile
        if not is_tolerated(UNSCHEDULABLE, profile.tolerations):
            yield "NodeUnschedulable", "node(s) were unschedulable", table.unschedulable
        yield from self._hard_taints()
        if profile.node_selector:
            matching = np.ones(table.capacity, np.bool_)
            for key, value in profile.node_selector:
                matching &= table.label_mask(key, value)
            yield "NodeSelector", "node(s) didn't match Pod's node affinity/selector", ~matching

    def _hard_taints(self) -> Iterator[tuple[str, str, Mask]]:
        """Yield the nodes with each untolerated hard taint; its effects are one reason."""
        masks: dict[tuple[str, str], Mask] = {}
        for taint, mask in self._table.taints.items():
            hard = taint.effect in (NO_SCHEDULE, NO_EXECUTE)
            if hard and not is_tolerated(taint, self._profile.tolerations):
                known = masks.get((taint.key, taint.value))
                masks[taint.key, taint.value] = mask if known is None else known | mask
        for (key, value), mask in sorted(masks.items(), key=lambda item: item[0]):
            yield "TaintToleration", f"node(s) had untolerated taint {{{key}: {value}}}", mask

    def _lacking(self) -> Iterator[Rejection]:
        """Yield the resources that the other nodes lack; a node may lack several."""
        free = self._table.free
        for index, name, amount in self._requests:
            hit = self._suitable & (free[index] < amount)
            if hit.any():
                reason = "too many pods" if name == PODS else f"insufficient {name}"
                yield self._rejection("NodeResourcesFit", reason, hit)

    def _rejection(self, name: str, reason: str, hit: Mask) -> Rejection:
        rows = np.flatnonzero(hit)
        examples = tuple(self._table.names[row] for row in rows[:EXAMPLES_MAX].tolist())
        return Rejection(name, reason, len(rows), examples)

    def _taint_scores(self) -> Scores:
        """Return 100 without untolerated soft taints, 0 for the node with most of them."""
        table = self._table
        counts = np.zeros(table.capacity, np.float64)
        for taint, mask in table.taints.items():
            soft = taint.effect == PREFER_NO_SCHEDULE
            if soft and not is_tolerated(taint, self._profile.tolerations):
                counts += mask
        most = counts.max()
        return 100.0 - counts * (100.0 / most) if most else counts + 100.0

    def _update(self, rows: Rows) -> None:
        """Compute the rows that changed; all operations are elementwise."""
        table, demand = self._table, self._profile.demand
        fits = self._suitable[rows].copy()
        for index, _, amount in self._requests:
            fits &= table.free[index, rows] >= amount
        cpu = np.minimum((table.scored[0, rows] + demand.cpu_scored) * table.inverse[0, rows], 1.0)
        memory = np.minimum(
            (table.scored[1, rows] + demand.memory_scored) * table.inverse[1, rows], 1.0
        )
        least_allocated = (2.0 - cpu - memory) * 50.0
        balanced = 100.0 - np.abs(cpu - memory) * 50.0
        base = least_allocated * LEAST_ALLOCATED_WEIGHT + balanced * BALANCED_WEIGHT
        base += self.taints[rows] * TAINT_WEIGHT
        base[~fits] = -np.inf
        self.fits[rows] = fits
        self.least_allocated[rows] = least_allocated
        self.balanced[rows] = balanced
        self.base[rows] = base
