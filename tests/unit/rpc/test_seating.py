"""Turns of people's calls: they wait in order, leave in any, and the slow keep nobody out."""

from __future__ import annotations

import asyncio

import pytest

from podraft.server.registry.errors import Code, RefusedError
from podraft.server.rpc.calls import seating as module
from podraft.server.rpc.calls.seating import Seating


async def turns(rounds: int = 5) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


def test_a_flood_and_a_quiet_user_are_served_in_turn() -> None:
    async def main() -> None:
        seating, order = Seating(seats=2, each_max=1), list[str]()

        async def call(user: str) -> None:
            async with seating.of(user):
                order.append(user)
                await asyncio.sleep(0)

        calls = [asyncio.create_task(call("flood")) for _ in range(50)]
        await turns()
        calls.append(asyncio.create_task(call("quiet")))
        await asyncio.gather(*calls)
        assert order.index("quiet") < 10
        assert len(order) == 51

    asyncio.run(main())


def test_a_call_that_is_cancelled_while_it_waits_or_sits_leaves_its_place() -> None:
    async def main() -> None:
        seating = Seating(seats=1, each_max=1)
        forever = asyncio.Event()

        async def call() -> None:
            async with seating.of("a"):
                await forever.wait()

        sitting, waiting, last = (asyncio.create_task(call()) for _ in range(3))
        await turns()
        for gone in (waiting, sitting):
            gone.cancel()
        await asyncio.gather(sitting, waiting, return_exceptions=True)
        await turns()
        forever.set()
        await asyncio.wait_for(last, 5)
        async with seating.of("b"):
            pass

    asyncio.run(main())


def test_a_slow_call_goes_on_without_its_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SEATED_S_MAX", 0.01)

    async def main() -> None:
        seating, done = Seating(seats=1, each_max=1), asyncio.Event()

        async def slow() -> None:
            async with seating.of("slow"):
                await done.wait()

        call = asyncio.create_task(slow())
        await turns()
        async with asyncio.timeout(5), seating.of("other"):
            assert not call.done()
        done.set()
        await call

    asyncio.run(main())


def test_a_call_that_waits_too_long_is_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_WAIT_S_MAX", 0.01)

    async def main() -> None:
        seating = Seating(seats=1, each_max=1)
        async with seating.of("a"):
            with pytest.raises(RefusedError, match="jane: too many calls") as caught:
                async with seating.of("jane"):
                    raise AssertionError("it has a seat")
            assert caught.value.code is Code.RESOURCE_EXHAUSTED
            assert caught.value.retry_s == 1.0
        async with seating.of("jane"):
            pass

    asyncio.run(main())
