"""The checker accepts what some order explains, and nothing else."""

from __future__ import annotations

from itertools import permutations
from math import inf
from random import Random

import pytest

from simulation.linearizability import Act, Operation, SearchTooLongError, is_linearizable


def _brute_force(operations: list[Operation]) -> bool:
    for order in permutations(operations):
        if any(
            later.end_s < earlier.start_s
            for position, earlier in enumerate(order)
            for later in order[position + 1 :]
        ):
            continue
        value = 0
        for operation in order:
            act = operation.act
            if act is Act.READ and operation.seen != value:
                break
            if act is Act.SWAP and operation.expected != value:
                break
            if act is Act.SWAP_REFUSED and (operation.seen != value or operation.expected == value):
                break
            if act in (Act.WRITE, Act.SWAP):
                value = operation.value
        else:
            return True
    return False


def test_a_stale_read_is_found() -> None:
    write = Operation(Act.WRITE, 0.0, 1.0, value=1)
    assert not is_linearizable([write, Operation(Act.READ, 2.0, 3.0, seen=0)])
    assert is_linearizable([write, Operation(Act.READ, 0.5, 3.0, seen=0)])


def test_an_unanswered_write_may_happen_late_but_not_twice() -> None:
    lost = Operation(Act.WRITE, 0.0, inf, value=1)
    other = Operation(Act.WRITE, 1.0, 2.0, value=2)
    late = Operation(Act.READ, 3.0, 4.0, seen=1)
    assert is_linearizable([lost, other, late])
    assert not is_linearizable([lost, other, late, Operation(Act.READ, 5.0, 6.0, seen=2)])


def test_only_one_of_two_swaps_from_one_value_succeeds() -> None:
    swaps = [Operation(Act.SWAP, 0.0, 5.0, value=value, expected=0) for value in (1, 2)]
    assert not is_linearizable(swaps)


@pytest.mark.parametrize("seed", range(200))
def test_it_agrees_with_trying_every_order(seed: int) -> None:
    random = Random(seed)
    operations = []
    for _ in range(random.randint(2, 6)):
        start = random.randint(0, 6)
        act = random.choice(list(Act))
        operations.append(
            Operation(
                act,
                start,
                start + random.randint(1, 4),
                value=random.randint(1, 2),
                expected=random.randint(0, 2),
                seen=random.randint(0, 2),
            )
        )
    assert is_linearizable(operations) == _brute_force(operations), f"seed {seed}: {operations}"


def test_the_search_is_bounded() -> None:
    writes = [Operation(Act.WRITE, 0.0, 10.0, value=value) for value in range(1, 30)]
    with pytest.raises(SearchTooLongError):
        is_linearizable([*writes, Operation(Act.READ, 11.0, 12.0, seen=99)], steps_max=5_000)
