"""Long work takes turns, caller by caller, ends with its budget, and gives its turn back always."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from podraft.server.registry.slices import OverBudgetError, Turns, Work


def burn(work: Work) -> None:
    """Use up a slice."""
    while not work.is_long:
        pass


async def long_work(work: Work, slices: int, done: list[str], name: str) -> None:
    with work:
        for _ in range(slices):
            burn(work)
            done.append(name)
            await work.pause()


def test_callers_take_turns_however_many_calls_each_makes() -> None:
    async def main() -> None:
        turns, done = Turns(), list[str]()
        many = [long_work(turns.work(b"many"), 20, done, "many") for _ in range(10)]
        one = long_work(turns.work(b"one"), 20, done, "one")
        await asyncio.gather(*many, one)
        assert done.count("many") == 200
        # The first slices are everybody's at once; then every second turn is the other caller's.
        assert len(done) - 1 - done[::-1].index("one") < 10 + 2 * 21

    asyncio.run(main())


def test_others_run_between_two_slices() -> None:
    async def main() -> None:
        turns, done, ticks = Turns(), list[str](), 0
        working = asyncio.gather(
            *(long_work(turns.work(b"%d" % n), 10, done, "") for n in range(3))
        )
        seen = list[int]()
        while not working.done():
            ticks += 1
            await asyncio.sleep(0)
            seen.append(len(done))
        # Never more than the slices of one round: at the beginning everybody's first.
        assert max(after - before for before, after in itertools.pairwise(seen)) <= 3
        assert ticks > 2 * len(done)

    asyncio.run(main())


def test_work_ends_with_its_budget_and_the_next_one_goes_on() -> None:
    async def main() -> None:
        turns, done = Turns(), list[str]()
        greedy = turns.work(b"greedy", budget_s=0.02)
        began = time.thread_time()
        with pytest.raises(OverBudgetError, match="processor time"):
            await long_work(greedy, 10_000, done, "greedy")
        assert time.thread_time() - began < 0.5
        await long_work(turns.work(b"next"), 3, done, "next")
        assert done[-3:] == ["next"] * 3

    asyncio.run(main())


def test_a_caller_that_leaves_gives_its_turn_back_wherever_it_is() -> None:
    async def main() -> None:
        for rounds in range(30):
            turns, done = Turns(), list[str]()
            tasks = [
                asyncio.create_task(long_work(turns.work(b"a"), 1000, done, "a")) for _ in range(3)
            ]
            for _ in range(rounds):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            async with asyncio.timeout(10):
                await long_work(turns.work(b"b"), 2, done, "b")
                assert await turns.work(b"c").apart(lambda: 3) == 3

    asyncio.run(main())


def test_many_small_pieces_are_long_together() -> None:
    async def main() -> None:
        turns, others = Turns(), 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        work = turns.work(b"a")
        for _ in range(200):
            with work:
                end = time.perf_counter() + 0.0001
                while time.perf_counter() < end:
                    pass
            await work.rest()
        beside.cancel()
        assert others > 10

    asyncio.run(main())
