"""Group commit: letting a batch grow while more proposals come.

Owns: the decision when a gathering batch is closed, for any log.  Invariants: a batch is closed
at most ``gather_s`` after it began; a client that writes alone does not wait for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podraft.server.store.options import StoreOptions


class Gathering:
    """A gathering batch; calls ``close`` once turns of the loop bring no more proposals.

    Gathering pays because a sync costs as much as a write.  ``waiting`` returns how many proposals
    are in the batch now.
    """

    def __init__(
        self, options: StoreOptions, waiting: Callable[[], int], close: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._waiting = waiting
        self._close = close
        # While a batch gathers: the latest time to close it, and its size at the last look.
        self._until_s: float | None = None
        self._gathered = 0
        self._turns_without_more = 0
        self._expected = 0

    def begin(self, expected: int = 0) -> None:
        """Start gathering, unless it has started already.

        ``expected`` guesses how many proposals will come, 0 if nobody knows: the size of the batch
        that has just ended plus the proposals that came meanwhile, as writers write again.  A
        client that writes alone does not wait.  Of several writers, as many as wrote last time are
        no reason to close: a small batch would make the next one small, too.
        """
        if self._until_s is None:
            self._expected = expected
            self._until_s = self._loop.time() + self._options.gather_s
            self._gathered = self._turns_without_more = 0
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        waiting = self._waiting()
        self._turns_without_more = 0 if waiting > self._gathered else self._turns_without_more + 1
        self._gathered = waiting
        assert self._until_s is not None
        if (
            self._turns_without_more < self._options.gather_turns
            and waiting < self._options.batch_transactions
            and not (waiting == 1 == self._expected)
            and self._loop.time() < self._until_s
        ):
            self._loop.call_soon(self._look)
            return
        self._until_s = None
        self._close()
