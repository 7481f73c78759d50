"""Group commit: letting a batch grow while more comes.

Owns: when a batch that gathers is closed, for whichever log writes it.  Invariants: it is closed
``gather_s`` after it began at the latest; who writes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podraft.server.store.options import StoreOptions


class Gathering:
    """Calls ``close`` when turns of the loop bring nothing more: a sync costs as much as a write.

    ``waiting`` tells how many are in the batch now.
    """

    def __init__(
        self, options: StoreOptions, waiting: Callable[[], int], close: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._waiting = waiting
        self._close = close
        # While a batch gathers: when it is closed at the latest, what it had at the last look.
        self._until_s: float | None = None
        self._gathered = 0
        self._turns_without_more = 0
        self._expected = 0

    def begin(self, expected: int = 0) -> None:
        """Begin to gather, if that is not so already.

        When ``expected`` are there, nobody else is waited for; 0: it is not known who may come.
        Those whose batch has just ended, and those who waited meanwhile, are a good guess: writers
        come again, and whoever writes alone does not wait.
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
            and not 0 < self._expected <= waiting
            and self._loop.time() < self._until_s
        ):
            self._loop.call_soon(self._look)
            return
        self._until_s = None
        self._close()
