"""The check whether a register's history is linearizable: Wing and Gong, with Lowe's memory.

Owns: the search for an order of the operations that respects real time and explains every
answer.  Registers are independent, so each is searched alone; the search is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf

ABSENT = 0
# The value that a refused compare-and-set met, if it only learned that it was not the wanted one.
UNKNOWN = -1


class Act(Enum):
    """The effects that an operation can have on a register."""

    READ = "read"  # ``seen`` is its answer.
    WRITE = "write"  # Makes it ``value``.
    SWAP = "compare-and-set"  # From ``expected`` to ``value``.
    SWAP_REFUSED = "refused compare-and-set"  # It met ``seen`` where ``expected`` was wanted.


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one register; ``end_s`` is infinite if it was never answered."""

    act: Act
    start_s: float
    end_s: float = inf
    value: int = ABSENT
    expected: int = ABSENT
    seen: int = ABSENT


class SearchTooLongError(Exception):
    """The search reached its bound without a verdict."""


def _after(operation: Operation, state: int) -> int | None:
    """Return the register's next value, or None if the operation is impossible in ``state``."""
    act = operation.act
    if act is Act.WRITE:
        return operation.value
    if act is Act.READ:
        return state if operation.seen == state else None
    if act is Act.SWAP:
        return operation.value if operation.expected == state else None
    return state if operation.seen in (state, UNKNOWN) and state != operation.expected else None


def is_linearizable(operations: Sequence[Operation], steps_max: int = 200_000) -> bool:
    """Return whether some order explains the whole history.

    Raises:
        SearchTooLongError: A verdict would take more than ``steps_max`` steps.
    """
    ordered = sorted(operations, key=lambda operation: (operation.start_s, operation.end_s))
    total = len(ordered)
    answered = 0
    for number, operation in enumerate(ordered):
        if operation.end_s != inf:
            answered |= 1 << number
    # A state of the search: which operations are already in the order, and the value after them.
    seen = {(0, ABSENT)}
    stack = [(0, ABSENT, 0)]
    steps = 0
    while stack:
        done, state, first = stack.pop()
        if done & answered == answered:
            return True
        while first < total and done >> first & 1:
            first += 1
        # An operation that starts after the earliest end among the open ones cannot come next.
        horizon = inf
        for number in range(first, total):
            operation = ordered[number]
            if operation.start_s > horizon:
                break
            if done >> number & 1:
                continue
            horizon = min(horizon, operation.end_s)
            steps += 1
            after = _after(operation, state)
            if after is not None:
                item = (done | 1 << number, after)
                if item not in seen:
                    seen.add(item)
                    stack.append((*item, first))
        if steps > steps_max:
            raise SearchTooLongError
    return False
