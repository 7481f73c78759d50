"""The proposals of this member whose outcomes it awaits.

Owns: the queue of proposals, those under way, and the fate of each.

    submitted -> queue -> under way (one batch, one event for the core) -> applied: outcome
                   ^--- refused, or certainly lost ---'         '--> perhaps lost: outcome unknown

Invariants: a proposal is offered again only if it is certain that it never took effect and never
will, or if its request makes it take effect once however often it comes; any other uncertain
outcome is reported as unknown.  No command waits longer than ``answer_s``.  The caller bounds how
much waits (``waiting``, ``waiting_bytes``).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from podraft.server.raft import events as raft
from podraft.server.raft.entries import NOBODY, MemberId
from podraft.server.raft.events import Refusal
from podraft.server.raft.status import Leadership
from podraft.server.replication.core.effects import After, Emit, Gather, Unanswered
from podraft.server.replication.core.events import Command, PatienceLost, ProposalsGathered
from podraft.server.replication.faults import NoLeaderError, OutcomeUnknownError
from podraft.server.replication.member_options import MemberOptions
from podraft.server.state.datastore import StoreOverloadedError
from podraft.server.values import value

_GATHERED = ProposalsGathered()


@value
class BatchBounds:
    """The bounds of one batch; a larger single proposal is a batch of its own."""

    entries: int
    bytes: int


@dataclass(slots=True, eq=False)
class _Batch:
    left: int
    size: int


@dataclass(slots=True, eq=False)
class _Waiting:
    command: Command
    deadline: float
    batch: _Batch | None = None
    # Where it was offered: the term, its leader, whether that was this member.
    term: int = 0
    leader: MemberId = NOBODY
    local: bool = False
    # Whether it may have taken effect where it was offered before; repeating it is harmless then.
    perhaps_done: bool = False


class OwnProposals:
    """The proposals of one member; ``offer`` gives a batch to consensus, ``ids`` are not shared."""

    def __init__(
        self,
        identity: MemberId,
        ids: Iterator[int],
        options: MemberOptions,
        bounds: BatchBounds,
        *,
        emit: Emit,
        offer: Callable[[tuple[raft.Proposal, ...]], None],
    ) -> None:
        self._identity = identity
        self._ids = ids
        self._options = options
        self._bounds = bounds
        self._emit = emit
        self._offer = offer
        self._second = After(options.second_batch_s, PatienceLost())
        self._leadership = Leadership(0, NOBODY)
        self._queue: deque[_Waiting] = deque()
        self._under_way: dict[int, _Waiting] = {}
        self._batches = 0
        # Whether the next batch gathers now.
        self._gathering = False
        # How many commands the next batch may hold.
        self._expected = 0
        # Whether no batch is accepted before some time has passed.
        self.held = False
        # Whether a batch waits, for some time, for the one before it; whether that time is over.
        self._patient = False
        self._impatient = False
        self.waiting_bytes = 0
        # How many commands got an error in place of an outcome.
        self.failed = 0

    @property
    def waiting(self) -> int:
        """The number of commands that wait for their outcome."""
        return len(self._queue) + len(self._under_way)

    @property
    def queued(self) -> int:
        """The number of commands that would be in the next batch."""
        return len(self._queue)

    def submit(self, commands: Iterable[Command], now: float) -> None:
        """Propose these commands, together with others that gather."""
        deadline = now + self._options.answer_s
        for command in commands:
            self._queue.append(_Waiting(command, deadline))
            self.waiting_bytes += len(command.payload)
        self._schedule()

    def led(self, leadership: Leadership) -> None:
        """Take note of the leader."""
        self._leadership = leadership
        self.resume()

    def resume(self) -> None:
        """Offer refused commands again, as time has passed or another member leads."""
        self.held = False
        self._schedule()

    def _schedule(self) -> None:
        options = self._options
        if not self._queue or self._batches >= options.batches_in_flight:
            return
        if self._open:
            if not self._gathering:
                self._gathering = True
                self._emit(Gather(_GATHERED, self._expected))
        elif self._batches and not self._patient:
            self._patient = True
            self._emit(self._second)

    def lose_patience(self) -> None:
        """Stop holding back the next batch for the one before it."""
        self._patient, self._impatient = False, True
        self._schedule()

    @property
    def _open(self) -> bool:
        """Whether a batch may be offered now.

        While one is under way the next one grows, unless the group is slow or much is waiting.
        """
        options = self._options
        if self.held or self._leadership.leader == NOBODY:
            return False
        return not self._batches or (
            self._batches < options.batches_in_flight
            and (self._impatient or len(self._queue) >= options.second_batch_entries)
        )

    def gathered(self) -> None:
        """Offer the gathered commands, in as many batches as it takes."""
        self._gathering = False
        while self._queue and self._open:
            self._offer_batch()
        self._schedule()

    def _offer_batch(self) -> None:
        term, leader = self._leadership.term, self._leadership.leader
        self._impatient = False
        batch = _Batch(0, 0)
        offered: list[raft.Proposal] = []
        size = 0
        while self._queue and len(offered) < self._bounds.entries:
            size += len(self._queue[0].command.payload)
            if offered and size > self._bounds.bytes:
                break
            waiting = self._queue.popleft()
            waiting.batch = batch
            waiting.term, waiting.leader = term, leader
            waiting.local = leader == self._identity
            number = next(self._ids)
            self._under_way[number] = waiting
            offered.append(raft.Proposal(number, waiting.command.payload))
        batch.left = batch.size = len(offered)
        self._batches += 1
        self._offer(tuple(offered))

    def _take(self, number: int) -> _Waiting | None:
        """Remove and return the command that is under way as ``number``, if there is one."""
        waiting = self._under_way.pop(number, None)
        if waiting is not None and waiting.batch is not None:
            waiting.batch.left -= 1
            if not waiting.batch.left:
                self._batches -= 1
                self._expected = waiting.batch.size + len(self._queue)
                self._schedule()
        return waiting

    # Their fates.

    def committed(self, number: int) -> Command | None:
        """Return the command that was committed as ``number``, if it is this member's."""
        waiting = self._take(number)
        if waiting is None:
            return None
        self.waiting_bytes -= len(waiting.command.payload)
        return waiting.command

    def refused(self, number: int, reason: Refusal) -> None:
        """Handle the refusal of ``number``, which was not and will not be appended anywhere."""
        waiting = self._take(number)
        if waiting is None:
            return
        if reason is Refusal.OVERLOADED:
            self._fail(waiting, StoreOverloadedError(str(reason.value)))
            return
        self.held = True
        self._queue.appendleft(waiting)

    def undelivered(self, numbers: Sequence[int]) -> None:
        """Offer commands again later that the leader certainly did not get."""
        for number in reversed(numbers):
            self.refused(number, Refusal.NO_LEADER)

    def link_lost(self, peer: MemberId) -> None:
        """Handle the loss of a link: what was sent to ``peer`` may be lost, or be answered late."""
        sent = [n for n, item in self._under_way.items() if item.leader == peer and not item.local]
        # Only time shows whether there is another leader, or another connection.
        self.held |= bool(sent)
        self._offer_again(sent, "the connection to the leader ended; the outcome is unknown")

    def term_began(self, term: int) -> None:
        """Settle earlier terms' proposals, as an entry of ``term`` was applied.

        What earlier terms appended is in this log, or in none.
        """
        earlier = [number for number, item in self._under_way.items() if item.term < term]
        self._offer_again(earlier, "the leader was lost; the outcome is unknown")

    def _offer_again(self, numbers: Iterable[int], why: str) -> None:
        """Offer commands again that cannot take effect twice, and report the others as unknown."""
        again: list[_Waiting] = []
        for number in numbers:
            waiting = self._take(number)
            if waiting is None:
                continue
            if self.may_repeat(waiting.command, local=waiting.local):
                waiting.perhaps_done |= not waiting.local
                again.append(waiting)
            else:
                # The command may still be on its way to a member that leads again.
                self._fail(waiting, self.unknown(why))
        self._queue.extendleft(reversed(again))
        self._schedule()

    def may_repeat(self, command: Command, *, local: bool) -> bool:
        """Return whether to repeat a command that can only have taken effect in an old term.

        A ``local`` one was only in this member's own log, which no longer has it; one with
        a request finds its own effect if it has had one.
        """
        return local or bool(command.transaction.request)

    def unknown(self, why: str) -> Exception:
        """Return the error for a command that may have taken effect, or may yet do so."""
        return OutcomeUnknownError(why)

    def skipped(self) -> None:
        """Report proposals as unknown that may be among the entries a snapshot skipped."""
        self._fail_under_way("a snapshot replaced the log; the outcome is unknown")

    def expire(self, now: float) -> None:
        """Give up commands that have waited too long."""
        while self._queue and self._queue[0].deadline <= now:
            late_one = self._queue.popleft()
            error: Exception
            if late_one.perhaps_done:
                error = self.unknown("no leader answered in time; the outcome is unknown")
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
                    self.unknown("the members did not answer in time; the outcome is unknown"),
                )

    def fail(self, error: Exception) -> None:
        """Fail all waiting commands with ``error``, as the member stops."""
        while self._queue:
            self._fail(self._queue.popleft(), error)
        self._fail_under_way(str(error))

    def _fail_under_way(self, why: str) -> None:
        for number in list(self._under_way):
            waiting = self._take(number)
            if waiting is not None:
                self._fail(waiting, self.unknown(why))

    def _fail(self, waiting: _Waiting, error: Exception) -> None:
        self.waiting_bytes -= len(waiting.command.payload)
        self.failed += 1
        self._emit(Unanswered(waiting.command, error))
