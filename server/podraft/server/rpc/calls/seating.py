"""Turns of people's calls: each is worked on when it has a seat.

Owns: the waiting for a seat, and for how long a call keeps it.

Invariants: nodes and components never wait here, whatever people do; a call that takes longer than
some time goes on without its seat, so that slow calls, however many, keep nobody out; a call that
waits too long is refused.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from podraft.server.budgets.seats import Seats, Ticket
from podraft.server.registry.errors import Code, RefusedError

# Enough to fill the store's batches; one user has half of them at most.
_SEATS: Final = 64
_EACH_MAX: Final = 32
# What takes longer waits for others, or is divided into slices.
_SEATED_S_MAX: Final = 1.0
_WAIT_S_MAX: Final = 10.0
_RETRY_S: Final = 1.0


class Seating:
    """The seats of a server; lives on the loop."""

    def __init__(self, seats: int = _SEATS, each_max: int = _EACH_MAX) -> None:
        self._seats = Seats(seats, each_max)
        self._waiting: dict[Ticket, asyncio.Future[None]] = {}

    def of(self, user: str) -> Seat:
        """Return a seat for a call of ``user``, to be taken with ``async with``."""
        return Seat(self, user)

    async def take(self, user: str) -> Ticket:
        """Wait for a seat.

        Raises:
            RefusedError: There is none for too long.
        """
        ticket = self._seats.enter(user)
        if ticket.is_seated:
            return ticket
        granted = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = granted
        try:
            async with asyncio.timeout(_WAIT_S_MAX):
                await granted
        except BaseException as error:
            self._waiting.pop(ticket, None)
            self.give_back(ticket)
            if isinstance(error, TimeoutError):
                raise RefusedError(
                    Code.RESOURCE_EXHAUSTED,
                    f"{user}: too many calls wait for their turn; try again later",
                    retry_s=_RETRY_S,
                ) from None
            raise
        return ticket

    def give_back(self, ticket: Ticket) -> None:
        """End a call's turn or its waiting; who is next goes on."""
        for each in self._seats.leave(ticket):
            granted = self._waiting.pop(each)
            if not granted.done():
                granted.set_result(None)


class Seat:
    """One call's seat, which it keeps for a bounded time."""

    __slots__ = ("_end", "_seating", "_ticket", "_user")

    def __init__(self, seating: Seating, user: str) -> None:
        self._seating = seating
        self._user = user
        self._ticket: Ticket | None = None
        self._end: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> None:
        self._ticket = await self._seating.take(self._user)
        self._end = asyncio.get_running_loop().call_later(_SEATED_S_MAX, self._give_back)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._end is not None:
            self._end.cancel()
        self._give_back()

    def _give_back(self) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._seating.give_back(ticket)
