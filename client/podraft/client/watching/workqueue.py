"""A queue of keys to look at, for level-driven controllers.

Owns: which keys wait, which are being handled, and when a key comes back.

Invariants: a key waits at most once and is handled by one worker at a time; a key that
is added while it is handled is handled again afterwards, so no change is missed; the
queue never holds more entries than there are keys.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from podraft.client.backoff import Backoff

KeyT = TypeVar("KeyT", bound=Hashable)

_LOG = logging.getLogger(__name__)


class WorkQueue(Generic[KeyT]):
    """A queue of keys, each at most once, failing ones later; belongs to one event loop."""

    def __init__(self, *, retry_initial_s: float = 0.01, retry_max_s: float = 30.0) -> None:
        self._retry_initial_s = retry_initial_s
        self._retry_max_s = retry_max_s
        self._waiting: deque[KeyT] = deque()
        self._dirty: set[KeyT] = set()
        self._handled: set[KeyT] = set()
        self._timers: dict[KeyT, asyncio.TimerHandle] = {}
        self._backoffs: dict[KeyT, Backoff] = {}
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether no key waits or is being handled (delayed keys aside)."""
        return not self._dirty and not self._handled

    def add(self, key: KeyT) -> None:
        """Handle ``key`` soon."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._handled:
            self._waiting.append(key)
            self._some.set()

    def add_after(self, key: KeyT, delay_s: float) -> None:
        """Handle ``key`` in ``delay_s`` seconds, or sooner if that was arranged already."""
        if delay_s <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + delay_s
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= when:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(when, self._ripen, key)

    def retry(self, key: KeyT) -> float:
        """Handle a failed key again after a growing pause; return the pause in seconds."""
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = self._backoffs[key] = Backoff(self._retry_initial_s, self._retry_max_s)
        pause_s = backoff.next_pause_s()
        self.add_after(key, pause_s)
        return pause_s

    def failures(self, key: KeyT) -> int:
        """Return how often ``key`` has failed since it last succeeded."""
        backoff = self._backoffs.get(key)
        return backoff.failures if backoff else 0

    def forget(self, key: KeyT) -> None:
        """Forget ``key``'s failures, so that its next failure counts as its first."""
        self._backoffs.pop(key, None)

    async def run(
        self, handle: Callable[[KeyT], Awaitable[float | None]], *, workers: int = 4
    ) -> None:
        """Handle keys with ``workers`` workers, for ever.

        ``handle`` may return the seconds after which it wants its key again.  A key whose
        handling raises comes back after a growing pause.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(handle))
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _work(self, handle: Callable[[KeyT], Awaitable[float | None]]) -> None:
        while True:
            key = await self._take()
            try:
                again_s = await handle(key)
            except Exception as error:  # noqa: BLE001 - one key's failure must not stop the others
                failures = self.failures(key)
                pause_s = self.retry(key)
                level = logging.DEBUG if failures < 3 else logging.WARNING
                _LOG.log(level, "%s: %r, again in %.2f s", key, error, pause_s)
            else:
                self.forget(key)
                if again_s is not None:
                    self.add_after(key, again_s)
            finally:
                self._done(key)

    async def _take(self) -> KeyT:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._handled.add(key)
        return key

    def _done(self, key: KeyT) -> None:
        self._handled.discard(key)
        if key in self._dirty:
            self._waiting.append(key)
            self._some.set()

    def _ripen(self, key: KeyT) -> None:
        self._timers.pop(key, None)
        self.add(key)
