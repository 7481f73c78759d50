"""What this member has proposed to its group and waits for.

Owns: the queue of proposals, those under way, and what becomes of each.

    submitted -> queue -> under way (one batch, one event for the core) -> applied: outcome
                   ^--- refused, or certainly lost ---'         '--> perhaps lost: outcome unknown

Invariants: a proposal is offered again only if it is certain that it never took effect and never
will, or if its request lets it take effect once however often it comes; what is uncertain
otherwise is said to be.  Nobody waits longer than ``answer_s``.  Whoever submits
bounds what waits (``waiting``, ``waiting_bytes``).
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from podraft.server.raft import events as raft
from podraft.server.raft.entries import NOBODY, MemberId
from podraft.server.raft.events import Refusal
from podraft.server.raft.member import Member, Role
from podraft.server.replication.faults import NoLeaderError, OutcomeUnknownError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import StoreOverloadedError
from podraft.server.store.log.gathering import Gathering
from podraft.server.store.log.seam import Proposal
from podraft.server.store.options import StoreOptions


@dataclass(slots=True, eq=False)
class _Batch:
    left: int


@dataclass(slots=True, eq=False)
class _Waiting:
    proposal: Proposal
    deadline: float
    batch: _Batch | None = None
    # Where it was offered: the term, who led in it, whether that was this member.
    term: int = 0
    leader: MemberId = NOBODY
    local: bool = False
    # Whether it may have taken effect where it was offered before; once more does no harm then.
    perhaps_done: bool = False


class OwnProposals:
    """Lives on the loop.  ``offer`` gives a batch to the core."""

    def __init__(
        self,
        member: Member,
        options: MemberOptions,
        store_options: StoreOptions,
        *,
        offer: Callable[[tuple[raft.Proposal, ...]], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._member = member
        self._options = options
        self._batch_entries = store_options.batch_transactions
        self._batch_bytes = store_options.batch_bytes
        self._offer = offer
        # No other process's proposals, nor those of this member's earlier life, have such ids.
        start = int.from_bytes(os.urandom(8), "little") << 64
        self._ids = itertools.count(start + 1)
        self._queue: deque[_Waiting] = deque()
        self._under_way: dict[int, _Waiting] = {}
        self._batches = 0
        self._gathering = Gathering(store_options, lambda: len(self._queue), self._flush)
        # Whether nobody takes a batch before time has passed.
        self.held = False
        # Ends the time for which a batch waits for the one before it.
        self._patience: asyncio.TimerHandle | None = None
        self._impatient = False
        self.waiting_bytes = 0
        # How many got an error in place of an outcome.
        self.failed = 0

    @property
    def waiting(self) -> int:
        """How many wait for their outcome."""
        return len(self._queue) + len(self._under_way)

    def submit(self, proposals: Iterable[Proposal]) -> None:
        """Propose these, with whatever else comes in this turn of the loop."""
        deadline = self._loop.time() + self._options.answer_s
        for proposal in proposals:
            self._queue.append(_Waiting(proposal, deadline))
            self.waiting_bytes += len(proposal.payload)
        self._schedule()

    def resume(self) -> None:
        """Offer what was refused again: time has passed, or there is another leader."""
        self.held = False
        self._schedule()

    def _schedule(self) -> None:
        options = self._options
        if not self._queue or self._batches >= options.batches_in_flight:
            return
        if self._open:
            self._gathering.begin()
        elif self._batches and self._patience is None:
            self._patience = self._loop.call_later(options.second_batch_s, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience, self._impatient = None, True
        self._schedule()

    @property
    def _open(self) -> bool:
        """Whether a batch may be offered now.

        While one is under way the next one grows, unless the group is slow or there is much.
        """
        options = self._options
        if self.held or self._member.leader == NOBODY:
            return False
        return not self._batches or (
            self._batches < options.batches_in_flight
            and (self._impatient or len(self._queue) >= options.second_batch_entries)
        )

    def _flush(self) -> None:
        while self._queue and self._open:
            self._offer_batch()
        self._schedule()

    def _offer_batch(self) -> None:
        member = self._member
        self._impatient = False
        batch = _Batch(0)
        offered: list[raft.Proposal] = []
        size = 0
        while self._queue and len(offered) < self._batch_entries:
            size += len(self._queue[0].proposal.payload)
            if offered and size > self._batch_bytes:
                break
            waiting = self._queue.popleft()
            waiting.batch = batch
            waiting.term, waiting.leader = member.term, member.leader
            waiting.local = member.role is Role.LEADER
            number = next(self._ids)
            self._under_way[number] = waiting
            offered.append(raft.Proposal(number, waiting.proposal.payload))
        batch.left = len(offered)
        self._batches += 1
        self._offer(tuple(offered))

    def _take(self, number: int) -> _Waiting | None:
        """Let go of what is under way as ``number``."""
        waiting = self._under_way.pop(number, None)
        if waiting is not None and waiting.batch is not None:
            waiting.batch.left -= 1
            if not waiting.batch.left:
                self._batches -= 1
                self._schedule()
        return waiting

    # What becomes of them.

    def committed(self, number: int) -> Proposal | None:
        """Return the proposal that was committed as ``number``, if it is this member's."""
        waiting = self._take(number)
        if waiting is None:
            return None
        self.waiting_bytes -= len(waiting.proposal.payload)
        return waiting.proposal

    def refused(self, number: int, reason: Refusal) -> None:
        """It was not and will not be appended anywhere."""
        waiting = self._take(number)
        if waiting is None:
            return
        if reason is Refusal.OVERLOADED:
            self._fail(waiting, StoreOverloadedError(str(reason.value)))
            return
        self.held = True
        self._queue.appendleft(waiting)

    def undelivered(self, numbers: Sequence[int]) -> None:
        """The leader certainly did not get these: they are offered again when time has passed."""
        for number in reversed(numbers):
            self.refused(number, Refusal.NO_LEADER)

    def link_lost(self, peer: MemberId) -> None:
        """What was sent to ``peer`` may be lost, or its effect not be told in time."""
        sent = [n for n, item in self._under_way.items() if item.leader == peer and not item.local]
        # Whether there is another leader, or another connection, only time shows.
        self.held |= bool(sent)
        self._offer_again(sent, "the connection to the leader ended; the outcome is unknown")

    def term_began(self, term: int) -> None:
        """An entry of ``term`` was applied: what earlier terms appended is here, or nowhere."""
        earlier = [number for number, item in self._under_way.items() if item.term < term]
        self._offer_again(earlier, "the leader was lost; the outcome is unknown")

    def _offer_again(self, numbers: Iterable[int], why: str) -> None:
        """Offer again what that cannot double, and say of the others that they are unknown."""
        again: list[_Waiting] = []
        for number in numbers:
            waiting = self._take(number)
            if waiting is None:
                continue
            if waiting.local or waiting.proposal.transaction.request:
                # It was in this member's own log only, as an entry of that term, or finds its
                # own effect if it has had one.
                waiting.perhaps_done |= not waiting.local
                again.append(waiting)
            else:
                # It may still be on its way to a member that leads again.
                self._fail(waiting, OutcomeUnknownError(why))
        self._queue.extendleft(reversed(again))
        self._schedule()

    def skipped(self) -> None:
        """Entries were skipped by a snapshot: what was among them is unknown."""
        self._fail_under_way("a snapshot replaced the log; the outcome is unknown")

    def expire(self) -> None:
        """Give up what has waited too long."""
        now = self._loop.time()
        while self._queue and self._queue[0].deadline <= now:
            late_one = self._queue.popleft()
            error: Exception
            if late_one.perhaps_done:
                error = OutcomeUnknownError("no leader answered in time; the outcome is unknown")
            else:
                error = NoLeaderError("no leader was found in time; nothing was done, try again")
            self._fail(late_one, error)
        late = list(
            itertools.takewhile(
                lambda number: self._under_way[number].deadline <= now, self._under_way
            )
        )
        for number in late:
            waiting = self._take(number)
            if waiting is not None:
                self._fail(
                    waiting,
                    OutcomeUnknownError(
                        "the members did not answer in time; the outcome is unknown"
                    ),
                )

    def fail(self, error: Exception) -> None:
        """The member stops: nobody will learn anything."""
        if self._patience is not None:
            self._patience.cancel()
        while self._queue:
            self._fail(self._queue.popleft(), error)
        self._fail_under_way(str(error))

    def _fail_under_way(self, why: str) -> None:
        for number in list(self._under_way):
            waiting = self._take(number)
            if waiting is not None:
                self._fail(waiting, OutcomeUnknownError(why))

    def _fail(self, waiting: _Waiting, error: Exception) -> None:
        self.waiting_bytes -= len(waiting.proposal.payload)
        self.failed += 1
        outcome = waiting.proposal.outcome
        if not outcome.done():
            outcome.set_exception(error)
