"""Long work on the event loop, in slices: other calls go on between them.

Owns: how long a piece of work may hold the loop, how much processor time one call may take, and
the order of turns.

Invariants: beyond its first slice, one piece of work runs at a time, and callers take turns, so
that a caller that makes many long calls slows its own down and not those of others; a call that
would take more than its budget is refused, however its work is divided.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar

from podraft.server.registry.errors import Code, RefusedError

ResultT = TypeVar("ResultT")

# Most calls are done within the first slice; in a crowd, each gets one before any call waits.
FIRST_SLICE_S: Final = 0.001
SLICE_S: Final = 0.002
# A call needs several rounds of the event loop; others get so many between two slices.
_ROUNDS: Final = 4
BUDGET_S: Final = 5.0


class OverBudgetError(RefusedError):
    """The refusal of a call that takes more processor time than one call may."""

    def __init__(self, budget_s: float) -> None:
        super().__init__(
            Code.RESOURCE_EXHAUSTED,
            f"the call takes more than {budget_s:g} s of the server's processor time: ask for "
            "less at once, with a namespace, a narrower selector or a limit",
        )


class Turns:
    """The turns at long work: one at a time, one caller after the other."""

    def __init__(self) -> None:
        self._taken = False
        # By caller, in the order in which they come next.
        self._waiting: dict[bytes, deque[asyncio.Future[None]]] = {}

    def work(self, caller: bytes, budget_s: float = BUDGET_S) -> Work:
        """Return the work of one call of ``caller``."""
        return Work(self, caller, budget_s)

    async def take(self, caller: bytes, *, again: bool = False) -> None:
        """Wait for a turn; other calls go on meanwhile.

        ``again``: the caller has a turn, which ends; the call joins the queue before the next turn
        is given, or callers with several calls would come between too often.
        """
        if self._taken:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(caller, deque()).append(turn)
            if again:
                self.give_back()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.give_back()
                raise
        self._taken = True
        try:
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.give_back()
            raise

    def give_back(self) -> None:
        """End the turn and give the next caller its own."""
        while self._waiting:
            caller = next(iter(self._waiting))
            queue = self._waiting.pop(caller)
            turn = queue.popleft()
            if queue:
                self._waiting[caller] = queue  # Behind all others.
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False


class Work:
    """The work of one call, done inside ``with``; a call may enter it again and again.

    Inside, nothing is awaited but ``pause``, whenever ``is_long``; outside, ``rest`` does that.
    """

    __slots__ = (
        "_began_s",
        "_budget_s",
        "_caller",
        "_entered_s",
        "_has_turn",
        "_is_metered",
        "_left_s",
        "_slice_s",
        "_turns",
    )

    def __init__(self, turns: Turns, caller: bytes, budget_s: float) -> None:
        self._turns = turns
        self._caller = caller
        self._budget_s = self._left_s = budget_s
        self._slice_s = FIRST_SLICE_S
        self._has_turn = self._is_metered = False
        self._began_s = self._entered_s = 0.0

    def __enter__(self) -> None:
        # The budget counts the thread's time, as others may hold the processor.  That clock is dear
        # to ask, and most calls are done within their first slice: they use the cheaper clock.
        if self._is_metered:
            self._began_s = time.thread_time()
        self._entered_s = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._account()
        if self._has_turn:
            self._has_turn = False
            self._turns.give_back()

    @property
    def is_long(self) -> bool:
        """Whether the slice is over; asked inside."""
        return time.perf_counter() - self._entered_s >= self._slice_s

    async def pause(self) -> None:
        """Yield to other calls; called inside.

        Raises:
            OverBudgetError: The call has had its processor time.
        """
        self._account()
        try:
            await self._next_slice()
        finally:
            self.__enter__()

    async def rest(self) -> None:
        """Yield to other calls if the slice is over; called outside.

        Raises:
            OverBudgetError: The call has had its processor time.
        """
        if self._slice_s <= 0:
            await self._next_slice()
            # The work that follows may wait for others, and nobody waits for it.
            self._has_turn = False
            self._turns.give_back()

    async def apart(self, function: Callable[[], ResultT]) -> ResultT:
        """Run ``function``, which cannot be divided, in a thread at the call's turn.

        This is for work that is large but bounded; others wait for it some milliseconds at a time.
        """
        await self._turns.take(self._caller)
        try:
            return await asyncio.to_thread(function)
        finally:
            self._turns.give_back()

    def _account(self) -> None:
        took_s = time.perf_counter() - self._entered_s
        self._slice_s -= took_s
        self._left_s -= time.thread_time() - self._began_s if self._is_metered else took_s

    async def _next_slice(self) -> None:
        if self._left_s <= 0:
            raise OverBudgetError(self._budget_s)
        self._is_metered = True
        again, self._has_turn = self._has_turn, False
        await self._turns.take(self._caller, again=again)
        self._has_turn = True
        self._slice_s = SLICE_S
