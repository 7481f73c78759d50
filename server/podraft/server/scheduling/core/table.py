"""The state of all nodes at once, as numpy arrays.

Owns: the row of each node, its resources and the demands of its pods.
Invariants: ``free`` is always allocatable minus the sum of the demands placed
on the row; a pod is placed at most once; rows of nodes that left are used
again; every change of a row's sums is in the log of changes, every change of
what filters look at (labels, taints, names) makes a new ``generation``.

A pod may be placed on a node that is not (or not yet) known: its row exists,
but is not ``present`` and no pod is scheduled there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from podraft.api.core.v1.node_pb2 import Node
from podraft.api.objects.amounts import CPU, EPHEMERAL_STORAGE, MEMORY, PODS
from podraft.server.scheduling.core.demand import (
    AMOUNT_MAX,
    Demand,
    amount_of,
)
from podraft.server.scheduling.core.taints import TaintKey, taints_of

Mask: TypeAlias = npt.NDArray[np.bool_]
Amounts: TypeAlias = npt.NDArray[np.int64]
Scores: TypeAlias = npt.NDArray[np.float64]

ScalarT = TypeVar("ScalarT", bound=np.generic)

_PODS_DEFAULT: Final = 110
_ROWS_MIN: Final = 64
_LOG_MAX: Final = 65_536
_LABEL_MASKS_MAX: Final = 512
_OWNER_COUNTS_MAX: Final = 64
# 1 / nothing: any use of a resource that a node does not have is more than all of it.
_INVERSE_OF_NOTHING: Final = 1e9


@dataclass(frozen=True, slots=True)
class Placement:
    """The row on which a pod counts, and the amounts."""

    node: str
    demand: Demand
    owner: str


@dataclass(frozen=True, slots=True)
class _Traits:
    """The properties of a node that filters look at."""

    labels: Mapping[str, str]
    taints: frozenset[TaintKey]
    unschedulable: bool


class NodeTable:
    """All nodes' resources, labels and taints, changed by one event at a time."""

    def __init__(self, rows: int = _ROWS_MIN) -> None:
        self._rows: dict[str, int] = {}
        self._free_rows: list[int] = list(range(rows - 1, -1, -1))
        self._traits: dict[int, _Traits] = {}
        self._placements: dict[str, Placement] = {}
        self._owners: dict[str, dict[int, int]] = {}
        self._resources: dict[str, int] = {}
        self._label_masks: dict[tuple[str, str], Mask] = {}
        self._owner_counts: dict[str, Scores] = {}
        self._log: list[int] = []
        self._log_start = 0
        self.capacity = rows
        self.generation = 0
        """Changes whenever labels, taints, allocatable amounts or the set of nodes change."""
        self.names: list[str] = [""] * rows
        self.present: Mask = np.zeros(rows, np.bool_)
        self.unschedulable: Mask = np.zeros(rows, np.bool_)
        self.taints: dict[TaintKey, Mask] = {}
        self.allocatable: Amounts = np.zeros((0, rows), np.int64)
        self.free: Amounts = np.zeros((0, rows), np.int64)
        self.scored: Scores = np.zeros((2, rows), np.float64)
        """Sums of the pods' amounts in scores: CPU in thousandths, memory in bytes."""
        self.inverse: Scores = np.zeros((2, rows), np.float64)
        """1 / allocatable CPU and memory; huge for a node that has none."""
        for name in (CPU, MEMORY, EPHEMERAL_STORAGE, PODS):
            self.resource(name)

    # Nodes

    def __len__(self) -> int:
        return int(np.count_nonzero(self.present))

    def set_node(self, node: Node) -> bool:
        """Add or change a node; return whether anything that scheduling looks at changed.

        Raises:
            InvalidQuantityError: An allocatable amount is no quantity; nothing changed.

        """
        amounts = self._allocatable(node)
        row = self._row(node.metadata.name)
        traits = _Traits(
            dict(node.metadata.labels), frozenset(taints_of(node)), node.spec.unschedulable
        )
        changed = bool((self.allocatable[:, row] != amounts).any())
        if self.present[row] and self._traits.get(row) == traits and not changed:
            return False
        self.present[row] = True
        self._set_allocatable(row, amounts)
        self._set_traits(row, traits)
        self.generation += 1
        return True

    def remove_node(self, name: str) -> None:
        """Remove a node; its pods count there until they are removed too."""
        row = self._rows.get(name)
        if row is None or not self.present[row]:
            return
        self.present[row] = False
        self._set_traits(row, _Traits({}, frozenset(), False))
        del self._traits[row]
        self.generation += 1
        self._release(row)

    # Pods

    def place(self, uid: str, node: str, demand: Demand, owner: str) -> None:
        """Count a pod on a node, where it is or is assumed to be; idempotent.

        A pod that counted elsewhere or differently is moved.
        """
        placement = Placement(node, demand, owner)
        if self._placements.get(uid) == placement:
            return
        self.remove(uid)
        self._placements[uid] = placement
        self._count(self._row(node), placement, 1)

    def remove(self, uid: str) -> bool:
        """Stop counting a pod; return whether it counted."""
        placement = self._placements.pop(uid, None)
        if placement is None:
            return False
        row = self._rows[placement.node]
        self._count(row, placement, -1)
        self._release(row)
        return True

    def placement(self, uid: str) -> Placement | None:
        """Return the placement of a pod; None if it does not count."""
        return self._placements.get(uid)

    # Reads of the evaluation

    @property
    def position(self) -> int:
        """The end of the log of changed rows."""
        return self._log_start + len(self._log)

    def changed_since(self, position: int) -> list[int] | None:
        """Return the rows whose sums changed after ``position``; None if that is forgotten."""
        start = position - self._log_start
        return None if start < 0 else self._log[start:]

    def resource(self, name: str) -> int:
        """Return the index of a resource in ``allocatable`` and ``free``."""
        index = self._resources.get(name)
        if index is None:
            index = self._resources[name] = len(self._resources)
            empty = np.zeros((1, self.capacity), np.int64)
            self.allocatable = np.concatenate([self.allocatable, empty])
            self.free = np.concatenate([self.free, empty])
        return index

    def row_of(self, name: str) -> int | None:
        """Return the row of a node that is present."""
        row = self._rows.get(name)
        return row if row is not None and self.present[row] else None

    def label_mask(self, key: str, value: str) -> Mask:
        """Return which nodes carry a label; the mask is made at the first question, then kept."""
        mask = self._label_masks.get((key, value))
        if mask is None:
            if len(self._label_masks) >= _LABEL_MASKS_MAX:
                self._label_masks.pop(next(iter(self._label_masks)))
            mask = np.zeros(self.capacity, np.bool_)
            mask[
                [row for row, traits in self._traits.items() if traits.labels.get(key) == value]
            ] = True
            self._label_masks[key, value] = mask
        return mask

    def owner_counts(self, owner: str) -> Scores | None:
        """Return how many pods of a controller count on each row; None if there are none."""
        rows = self._owners.get(owner)
        if rows is None:
            return None
        counts = self._owner_counts.get(owner)
        if counts is None:
            if len(self._owner_counts) >= _OWNER_COUNTS_MAX:
                self._owner_counts.pop(next(iter(self._owner_counts)))
            counts = np.zeros(self.capacity, np.float64)
            counts[list(rows)] = list(rows.values())
            self._owner_counts[owner] = counts
        return counts

    def placements(self) -> Iterator[tuple[str, Placement]]:
        """Yield every pod that counts, by uid."""
        yield from self._placements.items()

    # Internals

    def _allocatable(self, node: Node) -> Amounts:
        stated = {
            # One less than the largest request of a pod, so that the largest never fits.
            name: min(amount_of(name, quantity.string), AMOUNT_MAX - 1)
            for name, quantity in node.status.allocatable.items()
        }
        stated.setdefault(PODS, _PODS_DEFAULT)
        for name in stated:
            self.resource(name)
        return np.array([stated.get(name, 0) for name in self._resources], np.int64)

    def _set_allocatable(self, row: int, amounts: Amounts) -> None:
        self.free[:, row] += amounts - self.allocatable[:, row]
        self.allocatable[:, row] = amounts
        for index, name in enumerate((CPU, MEMORY)):
            amount = int(amounts[self._resources[name]])
            self.inverse[index, row] = 1.0 / amount if amount > 0 else _INVERSE_OF_NOTHING

    def _set_traits(self, row: int, traits: _Traits) -> None:
        before = self._traits.get(row)
        self._traits[row] = traits
        self.unschedulable[row] = traits.unschedulable
        for taint in before.taints - traits.taints if before else ():
            self.taints[taint][row] = False
            if not self.taints[taint].any():
                del self.taints[taint]
        for taint in traits.taints:
            if taint not in self.taints:
                self.taints[taint] = np.zeros(self.capacity, np.bool_)
            self.taints[taint][row] = True
        for (key, value), mask in self._label_masks.items():
            mask[row] = traits.labels.get(key) == value

    def _count(self, row: int, placement: Placement, sign: int) -> None:
        demand = placement.demand
        for name, amount in demand.requests:
            index = self.resource(name)
            self.free[index, row] -= sign * amount
        self.scored[0, row] += sign * demand.cpu_scored
        self.scored[1, row] += sign * demand.memory_scored
        if placement.owner:
            self._count_owner(placement.owner, row, sign)
        self._log.append(row)
        if len(self._log) > _LOG_MAX:
            del self._log[: _LOG_MAX // 2]
            self._log_start += _LOG_MAX // 2

    def _count_owner(self, owner: str, row: int, sign: int) -> None:
        rows = self._owners.setdefault(owner, {})
        count = rows.get(row, 0) + sign
        counts = self._owner_counts.get(owner)
        if counts is not None:
            counts[row] = count
        if count:
            rows[row] = count
            return
        rows.pop(row, None)
        if not rows:
            del self._owners[owner]
            self._owner_counts.pop(owner, None)

    def _row(self, name: str) -> int:
        row = self._rows.get(name)
        if row is not None:
            return row
        if not self._free_rows:
            self._grow()
        row = self._rows[name] = self._free_rows.pop()
        self.names[row] = name
        return row

    def _release(self, row: int) -> None:
        """Free the row if neither a node nor a pod is there any more."""
        pods = self._resources[PODS]
        if self.present[row] or self.free[pods, row] != self.allocatable[pods, row]:
            return
        del self._rows[self.names[row]]
        for array in (self.allocatable, self.free, self.scored, self.inverse):
            array[:, row] = 0
        self._free_rows.append(row)

    def _grow(self) -> None:
        before, self.capacity = self.capacity, self.capacity * 2
        self._free_rows = list(range(self.capacity - 1, before - 1, -1))
        self.names.extend([""] * before)
        self.present, self.unschedulable = _doubled(self.present), _doubled(self.unschedulable)
        self.allocatable, self.free = _doubled(self.allocatable), _doubled(self.free)
        self.scored, self.inverse = _doubled(self.scored), _doubled(self.inverse)
        self.taints = {taint: _doubled(mask) for taint, mask in self.taints.items()}
        self._label_masks = {label: _doubled(mask) for label, mask in self._label_masks.items()}
        self._owner_counts.clear()
        self.generation += 1  # Earlier results have too few rows.


def _doubled(array: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
    return np.concatenate([array, np.zeros_like(array)], axis=-1)
