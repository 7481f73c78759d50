"""Waiting for a place in a caller's budget, and leaving while one waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from podraft.server.budgets.budget import Budgets, Exceeded, Holder, Resource, Role
from podraft.server.rpc.calls.admitting import Call, Gate


@dataclass
class _Peer:
    """What a call asks of gRPC when it is let in."""

    address: str = "ipv4:127.0.0.1:1"

    def peer(self) -> str:
        return self.address


def _full(budgets: Budgets) -> tuple[Holder, Exceeded, int]:
    """Return a node that holds all it may at once, what it exceeds, and how much that is."""
    holder = budgets.holder(Role.OTHERS, "system:node:a")
    held = 0
    while (exceeded := holder.take(Resource.RECEIVING)) is None:
        held += 1
    return holder, exceeded, held


@pytest.mark.parametrize("waiters", [1, 3])
def test_who_leaves_as_a_place_comes_free_holds_nothing_and_hinders_nobody(waiters: int) -> None:
    async def main() -> tuple[list[object], int]:
        gate = Gate()
        holder, exceeded, held = _full(gate.budgets)
        # All that a call is asked here is its peer.
        call = Call(gate, _Peer(), holder, Resource.CALLS)  # type: ignore[arg-type]  # no more of a context is used
        waiting = [asyncio.create_task(gate.wait_for(call, exceeded, 1)) for _ in range(waiters)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        # Before any of them has run.
        for _ in range(held):
            gate.give_back(holder, Resource.RECEIVING, 1)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        return [type(end) for end in ends], holder.used[Resource.RECEIVING]

    assert asyncio.run(main()) == ([asyncio.CancelledError] * waiters, 0)
