"""Linearizable reads: waiting until this member has applied what was committed before.

Owns: the readers that wait, in two groups: those whose question is under way, and those that came
later and share the next one.

Invariant: a reader goes on only after a leader has proved, by a round that began after the reader
came, up to where the log was committed, and this member has applied that much.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable

from podraft.server.raft.entries import NOBODY
from podraft.server.raft.member import Member
from podraft.server.replication.faults import NoLeaderError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.store.log.gathering import Gathering
from podraft.server.store.options import StoreOptions


class ReadBarriers:
    """Lives on the loop.  ``ask`` gives a question's id to the core."""

    def __init__(
        self,
        member: Member,
        options: MemberOptions,
        store_options: StoreOptions,
        *,
        ask: Callable[[int], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._member = member
        self._options = options
        self._ask = ask
        start = int.from_bytes(os.urandom(7), "little") << 64
        self._ids = itertools.count(start + 1)
        # Every reader of a group waits for the same future.
        self._next: asyncio.Future[None] | None = None
        self._next_deadline = 0.0
        self._asking: asyncio.Future[None] | None = None
        self._asking_id = 0
        self._asking_deadline = 0.0
        self._ask_again = 0.0
        # A question costs as much as many reads: readers gather for it as proposals do for a sync.
        self._readers = 0
        self._gathering = Gathering(store_options, lambda: self._readers, self._begin)
        self._applied = 0
        # How many questions were put to a leader.
        self.rounds = 0
        self._proved: list[tuple[int, asyncio.Future[None], float]] = []

    async def passed(self) -> None:
        """Return when this member's state is at least what was committed when this was called.

        Raises:
            NoLeaderError: Nobody could tell in time.
        """
        group = self._next
        if group is None:
            group = self._next = self._loop.create_future()
            self._next_deadline = self._loop.time() + self._options.answer_s
            self._schedule()
        self._readers += 1
        # One reader that gives up must not take the others along.
        await asyncio.shield(group)

    def _schedule(self) -> None:
        if self._asking is None and self._next is not None:
            self._gathering.begin()

    def _begin(self) -> None:
        if self._asking is not None or self._next is None:
            return
        self._asking, self._next = self._next, None
        self._readers = 0
        self._asking_deadline = self._next_deadline
        self._put()

    def _put(self) -> None:
        """Ask, or wait for somebody whom one can ask."""
        self._asking_id = 0
        if self._member.leader != NOBODY:
            self._asking_id = next(self._ids)
            self._ask_again = self._loop.time() + self._options.read_again_s
            self.rounds += 1
            self._ask(self._asking_id)

    def ready(self, number: int, index: int) -> None:
        """The question is answered: whoever asked may read at ``index`` and above."""
        if number != self._asking_id or self._asking is None:
            return
        group, self._asking, self._asking_id = self._asking, None, 0
        if index <= self._applied:
            _settle(group)
        else:
            self._proved.append((index, group, self._asking_deadline))
        self._schedule()

    def refused(self, number: int) -> None:
        """The question will not be answered; it is put again when time has passed."""
        if number == self._asking_id:
            self._asking_id = 0

    def applied(self, index: int) -> None:
        """The state has reached ``index``."""
        self._applied = index
        if self._proved:
            waiting = []
            for item in self._proved:
                if item[0] <= index:
                    _settle(item[1])
                else:
                    waiting.append(item)
            self._proved = waiting

    def resume(self) -> None:
        """Put the question again if it was lost or refused: time has passed."""
        if self._asking is not None and (
            not self._asking_id or self._loop.time() >= self._ask_again
        ):
            self._put()

    def expire(self) -> None:
        """Give up what has waited too long."""
        now = self._loop.time()
        late = NoLeaderError("no leader confirmed the read in time; try again")
        if self._asking is not None and self._asking_deadline <= now:
            group, self._asking, self._asking_id = self._asking, None, 0
            _settle(group, late)
            self._schedule()
        for index, group, deadline in [item for item in self._proved if item[2] <= now]:
            self._proved.remove((index, group, deadline))
            _settle(group, late)

    def fail(self, error: Exception) -> None:
        """The member stops."""
        groups = [self._asking, self._next, *(group for _, group, _ in self._proved)]
        self._asking = self._next = None
        self._proved.clear()
        for group in groups:
            if group is not None:
                _settle(group, error)


def _settle(group: asyncio.Future[None], error: Exception | None = None) -> None:
    if group.done():
        return
    if error is None:
        group.set_result(None)
    else:
        group.set_exception(error)
        # Its readers may all have given up.
        group.exception()
