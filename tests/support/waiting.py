"""Waiting for a condition with a deadline: tests do this instead of sleeping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

ResultT = TypeVar("ResultT")


def eventually(
    condition: Callable[[], ResultT],
    *,
    within_s: float = 30.0,
    describe: Callable[[], object] | None = None,
) -> ResultT:
    """Return the condition's first true value; fail when the deadline passes."""
    deadline = time.monotonic() + within_s
    pause_s = 0.002
    while not (result := condition()):
        if time.monotonic() > deadline:
            detail = f": {describe()}" if describe else ""
            raise AssertionError(f"not true within {within_s} s{detail}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)
    return result


@overload
async def eventually_async(
    condition: Callable[[], Awaitable[ResultT]], *, within_s: float = ...
) -> ResultT: ...


@overload
async def eventually_async(
    condition: Callable[[], ResultT], *, within_s: float = ...
) -> ResultT: ...


async def eventually_async(
    condition: Callable[[], ResultT | Awaitable[ResultT]], *, within_s: float = 30.0
) -> ResultT:
    """Do the same as `eventually`, for conditions that are checked from an event loop."""
    deadline = time.monotonic() + within_s
    pause_s = 0.002
    while True:
        result = condition()
        if isinstance(result, Awaitable):
            result = await result
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within_s} s")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)
