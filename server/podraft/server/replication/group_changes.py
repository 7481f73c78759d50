"""Between the core and whoever changes the group: how a change ends, which membership is in force.

Owns: one change or transfer at a time, from its proposal to its end; noticing that another
membership is in force or certain.

Invariant: a change is reported as done only when it is committed, as not done only when its entry
can never be; anything else is for the caller's patience to end.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from typing import TypeAlias

from podraft.server.raft.core import Event, RaftCore
from podraft.server.raft.entries import NOBODY, MemberId, Membership
from podraft.server.raft.events import Change, ChangeProposed, Refusal, TransferLeadership

# What is in force now, and what is certain to stay in the log.
OnMembership: TypeAlias = Callable[[Membership, Membership], None]


class ChangeRefusedError(Exception):
    """A change or transfer did not and will not happen."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason.value)
        self.reason = reason


class GroupChanges:
    """Lives on the loop.  The driver calls ``look`` after each step of the core."""

    def __init__(self, core: RaftCore, step: Callable[[Event], None]) -> None:
        self._log = core.log
        self._member = core.member
        self._step = step
        # As with proposals: nobody else's have such ids.
        start = int.from_bytes(os.urandom(8), "little") << 64
        self._ids = itertools.count(start + 1)
        self._asked: dict[int, asyncio.Future[None]] = {}
        # A change in this member's log: its index, its term, who waits.
        self._appended: tuple[int, int, asyncio.Future[None]] | None = None
        self._heir: tuple[MemberId, asyncio.Future[None]] | None = None
        self._in_force: Membership | None = None
        self._certain = False
        self._told: OnMembership = _nothing

    def start(self, told: OnMembership) -> None:
        """Tell ``told`` what is in force, now and whenever that changes."""
        self._told = told
        self.look()

    async def change(self, change: Change) -> None:
        """Change the membership; return when that is committed.

        Raises:
            ChangeRefusedError: It did not and will not happen.
        """
        number, future = self._ask()
        before = self._log.membership
        self._step(ChangeProposed(number, change))
        if not future.done() and self._log.membership is not before:
            self._appended = (self._log.membership_index, self._member.term, future)
            self.look()
        try:
            await future
        finally:
            self._asked.pop(number, None)

    async def transfer(self, target: MemberId) -> None:
        """Let ``target`` lead; return when it does.

        Raises:
            ChangeRefusedError: It did not take over.
        """
        number, future = self._ask()
        self._heir = (target, future)
        self._step(TransferLeadership(number, target))
        try:
            await future
        finally:
            self._asked.pop(number, None)

    def _ask(self) -> tuple[int, asyncio.Future[None]]:
        number = next(self._ids)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        return number, future

    # What the core says.

    def refused(self, number: int, reason: Refusal) -> None:
        """Something that was asked for will not happen; perhaps it was one of these."""
        future = self._asked.get(number)
        if future is not None and not future.done():
            future.set_exception(ChangeRefusedError(reason))

    def led_by(self, leader: MemberId) -> None:
        """There is another leader, or none."""
        if self._heir is None or leader in (NOBODY, self._member.id):
            return
        (target, future), self._heir = self._heir, None
        if not future.done():
            if leader == target:
                future.set_result(None)
            else:
                future.set_exception(ChangeRefusedError(Refusal.TRANSFER_FAILED))

    def look(self) -> None:
        """Notice what a step has changed."""
        log = self._log
        membership = log.membership
        if membership is self._in_force and (self._certain or log.commit < log.membership_index):
            return
        self._in_force = membership
        self._certain = log.commit >= log.membership_index
        self._settle()
        self._told(membership, log.committed_membership)

    def _settle(self) -> None:
        if self._appended is None:
            return
        index, term, future = self._appended
        log = self._log
        kept = log.term_at(index) == term or index < log.start
        if kept and log.commit < index:
            return
        self._appended = None
        if future.done():
            return
        if kept:
            future.set_result(None)
        else:
            future.set_exception(ChangeRefusedError(Refusal.DEPOSED))

    def fail(self, error: Exception) -> None:
        """The member stops: nobody will learn anything."""
        for future in self._asked.values():
            if not future.done():
                future.set_exception(error)


def _nothing(in_force: Membership, certain: Membership) -> None:
    """Nobody has asked yet."""
