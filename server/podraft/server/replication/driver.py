"""The shell that drives one member of a group: its core, disk, network and loop.

Owns: the loop's timers, the futures of waiting callers, and carrying out the core's effects in
their given order.

Invariants: nothing here decides, and nothing here waits: disk and network work elsewhere and report
to the loop.  Any error inside stops the member: it must not diverge.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from podraft.server.raft.core import Received, Restored
from podraft.server.raft.effects import SendSnapshot, Write
from podraft.server.raft.entries import NOBODY, Entry, EntryKind, MemberId, Membership, SnapshotMark
from podraft.server.raft.events import Change, SnapshotSent
from podraft.server.raft.messages import Message
from podraft.server.raft.options import RandomSource
from podraft.server.raft.status import Status
from podraft.server.replication.core.effects import (
    After,
    Apply,
    CompactLog,
    Gather,
    Install,
    LeaderChanged,
    MemberEffect,
    MembershipChanged,
    Send,
    Settled,
    Unanswered,
)
from podraft.server.replication.core.events import (
    Abandoned,
    ChangeWanted,
    Durable,
    Ended,
    HandOverWanted,
    Installed,
    LinkLost,
    MemberEvent,
    Pinned,
    PortionApplied,
    ProposalsGathered,
    ReadersCame,
    ReadersGathered,
    Stored,
    Submitted,
    Ticked,
    TransferWanted,
    Undelivered,
    Unpinned,
)
from podraft.server.replication.core.group_changes import ChangeRefusedError
from podraft.server.replication.core.member_core import MemberCore, MemberCounts
from podraft.server.replication.core.own_proposals import BatchBounds
from podraft.server.replication.log.member_storage import MemberStorage
from podraft.server.replication.log.records import encode_base, encode_entry, encode_hard_state
from podraft.server.replication.member_options import MemberOptions
from podraft.server.store.log.gathering import Gathering
from podraft.server.store.log.seam import CommittedBatch, OnCommitted, OnFailed, Proposal
from podraft.server.store.options import StoreOptions

_LOG = logging.getLogger(__name__)
_TICKED = Ticked()
_APPLIED, _APPLIED_AND_FULL = PortionApplied(full=False), PortionApplied(full=True)

# Sends without waiting; returns False if the message certainly will not arrive.
SendMessage: TypeAlias = Callable[[Message], bool]
# Begins to replace the state machine by a received snapshot.
InstallSnapshot: TypeAlias = Callable[[SnapshotMark], None]
# The membership in force now, and the one that is certain to stay in the log.
OnMembership: TypeAlias = Callable[[Membership, Membership], None]


@dataclass(frozen=True, slots=True)
class DriverParts:
    """The parts that a driver drives, and those through which it reports."""

    storage: MemberStorage
    send: SendMessage
    random: RandomSource
    send_snapshot: Callable[[SendSnapshot], None]
    install: InstallSnapshot


class MemberDriver:
    """One member's ``Log``; belongs to the loop that made it."""

    def __init__(
        self,
        identity: MemberId,
        restored: Restored,
        parts: DriverParts,
        options: MemberOptions,
        store_options: StoreOptions,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._identity = identity
        self._tick_s = options.tick_s
        self._store_options = store_options
        self._storage = parts.storage
        self._send_message = parts.send
        self._core = core = MemberCore(
            identity,
            restored,
            options,
            BatchBounds(store_options.batch_transactions, store_options.batch_bytes),
            parts.random,
            int.from_bytes(os.urandom(8), "little") << 64 | 1,
        )
        self._events: deque[MemberEvent] = deque()
        self._handling = False
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        # Readers that wait for the next question.
        self._readers = 0
        self._gatherings: dict[type, Gathering] = {
            ProposalsGathered: self._gathering(lambda: core.queued, ProposalsGathered()),
            ReadersGathered: self._gathering(lambda: self._readers, ReadersGathered()),
        }
        self._actions: dict[type, Callable[[Any], object]] = {
            Send: self._send,
            Write: self._write,
            CompactLog: lambda effect: parts.storage.compact(effect.mark, effect.hard_state),
            Apply: self._apply,
            Install: lambda effect: parts.install(effect.mark),
            SendSnapshot: parts.send_snapshot,
            Unanswered: lambda effect: _settle(effect.command.outcome, effect.error),
            Settled: lambda effect: _settle(effect.waiter, effect.error),
            LeaderChanged: self._leader_changed,
            MembershipChanged: self._membership_changed,
            After: self._after,
            Gather: lambda effect: self._gatherings[type(effect.event)].begin(effect.expected),
        }
        self._full: Callable[[], bool] = bool
        # The members' names for log messages.
        self.name_of: Callable[[MemberId], str] = str
        self._follow: OnMembership = _nobody_follows
        self._committed: OnCommitted
        self._failed: OnFailed

    def _gathering(self, count: Callable[[], int], event: MemberEvent) -> Gathering:
        return Gathering(self._store_options, count, lambda: self._handle(event))

    # Queries.

    @property
    def status(self) -> Status:
        """This member's view of the group."""
        return self._core.status

    @property
    def counts(self) -> MemberCounts:
        """The counts since the member started."""
        return self._core.counts

    @property
    def membership(self) -> Membership:
        """The members that replicate the log now."""
        return self._core.membership.in_force

    @property
    def installing(self) -> bool:
        """Whether a snapshot is replacing the state machine."""
        return self._core.installing

    @property
    def waiting(self) -> int:
        """The number of proposals that wait for their outcome."""
        return self._core.waiting

    @property
    def ready(self) -> bool:
        """Whether ``propose`` takes more proposals."""
        core, options = self._core, self._store_options
        return (
            core.waiting < options.queue_transactions and core.waiting_bytes < options.queue_bytes
        )

    def mark_at(self, index: int) -> SnapshotMark | None:
        """Return the mark of a snapshot at ``index``; None if the log has forgotten it."""
        return self._core.mark_at(index)

    # Events.

    def start(
        self, committed: OnCommitted, failed: OnFailed, full: Callable[[], bool] = bool
    ) -> None:
        """Start; nothing more is applied while ``full`` returns True (``release`` resumes)."""
        self._committed, self._failed, self._full = committed, failed, full
        self._storage.start(self._durable, self._stop)
        self._timer = self._loop.call_later(self._tick_s, self._tick)

    def _tick(self) -> None:
        if self._stopped:
            return
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        self._handle(_TICKED)

    def propose(self, proposals: Sequence[Proposal]) -> None:
        """Propose transactions, wherever the leader is; their outcomes come when applied here."""
        self._handle(Submitted(proposals))

    def link_lost(self, peer: MemberId) -> None:
        """Learn that the connection to ``peer`` has ended, and what was on it may be lost."""
        self._handle(LinkLost(peer))

    def receive(self, message: Message) -> None:
        """Handle a message from another member."""
        self._handle(Received(message))

    def _durable(self, sequence: int) -> None:
        self._handle(Durable(sequence))

    def release(self, through: int) -> None:
        """Forget entries up to ``through``, or fewer: they are durable in the state machine."""
        self._handle(Stored(through, full=self._full()))

    def installed(self, mark: SnapshotMark) -> None:
        """Learn that the state machine is durably that of ``mark``."""
        self._handle(Installed(mark))

    def snapshot_sent(self, to: MemberId, mark: SnapshotMark | None) -> None:
        """Learn that sending a snapshot has ended; ``mark`` is None if it failed."""
        self._handle(SnapshotSent(to, mark))

    def pin(self, to: MemberId, index: int) -> None:
        """Keep entries behind ``index`` for ``to``, within bounds, until ``unpin``."""
        self._handle(Pinned(to, index))

    def unpin(self, to: MemberId) -> None:
        """Keep nothing for ``to`` any more."""
        self._handle(Unpinned(to))

    # Waiting calls.

    async def caught_up(self) -> None:
        """Wait until this member's state holds everything that was committed before the call.

        Raises:
            NoLeaderError: No leader could confirm it in time.
        """
        readers = self._core.joinable_readers
        if readers is None:
            readers = self._loop.create_future()
            self._readers = 0
            self._handle(ReadersCame(readers))
        self._readers += 1
        # One reader that gives up must not cancel the others.
        await asyncio.shield(readers)

    async def change(self, change: Change) -> None:
        """Change the membership; return when the change is committed.

        Raises:
            ChangeRefusedError: The change did not and will not happen.
        """
        ticket = self._loop.create_future()
        await self._until_settled(ticket, ChangeWanted(ticket, change))

    async def transfer(self, target: MemberId) -> None:
        """Make ``target`` the leader; return when it leads.

        Raises:
            ChangeRefusedError: It did not take over.
        """
        ticket = self._loop.create_future()
        await self._until_settled(ticket, TransferWanted(ticket, target))

    async def hand_over(self, reachable: Sequence[MemberId], within_s: float) -> None:
        """Make another member lead, if this one does; wait for it up to ``within_s`` seconds."""
        if self._stopped:
            return
        ticket = self._loop.create_future()
        wanted = HandOverWanted(ticket, tuple(reachable))
        with contextlib.suppress(TimeoutError, ChangeRefusedError):
            async with asyncio.timeout(within_s):
                await self._until_settled(ticket, wanted)

    async def _until_settled(self, ticket: asyncio.Future[None], event: MemberEvent) -> None:
        self._handle(event)
        try:
            await ticket
        finally:
            self._handle(Abandoned(ticket))

    def follow(self, told: OnMembership) -> None:
        """Call ``told`` with the membership in force, now and whenever that changes."""
        self._follow = told
        known = self._core.membership
        told(known.in_force, known.certain)

    # Effects.

    def _handle(self, event: MemberEvent) -> None:
        if self._stopped:
            return
        events, core = self._events, self._core
        if self._handling:
            events.append(event)
            return
        self._handling = True
        try:
            self._carry_out(core.handle(event, self._loop.time()))
            while events and not self._stopped:
                self._carry_out(core.handle(events.popleft(), self._loop.time()))
        except Exception as error:  # noqa: BLE001 - Whatever it is, this member must not go on.
            self._stop(error)
        finally:
            self._handling = False

    def _carry_out(self, effects: Sequence[MemberEffect]) -> None:
        for effect in effects:
            self._actions[type(effect)](effect)

    def _send(self, effect: Send) -> None:
        for message in effect.messages:
            if not self._send_message(message):
                self._events.append(Undelivered(message))

    def _write(self, write: Write) -> None:
        records = []
        if write.snapshot is not None:
            records.append(encode_base(write.snapshot))
        if write.hard_state is not None:
            records.append(encode_hard_state(write.hard_state))
        records += [encode_entry(entry) for entry in write.entries]
        last_index = write.entries[-1].index if write.entries else 0
        self._storage.write(write.sequence, records, last_index)

    def _apply(self, effect: Apply) -> None:
        entries = effect.entries
        payloads = [_payload(entry) for entry in entries]
        self._committed(CommittedBatch(entries[0].index, payloads, effect.commands))
        # Handled before any other event that has come meanwhile.
        self._events.appendleft(_APPLIED_AND_FULL if self._full() else _APPLIED)

    def _after(self, effect: After) -> None:
        if effect.delay_s:
            self._loop.call_later(effect.delay_s, self._handle, effect.event)
        else:
            self._loop.call_soon(self._handle, effect.event)

    def _leader_changed(self, effect: LeaderChanged) -> None:
        term, leader = effect.leadership.term, effect.leadership.leader
        if leader == self._identity:
            _LOG.info("this member leads in term %d", term)
        elif leader == NOBODY:
            _LOG.info("no leader in term %d", term)
        else:
            _LOG.info("member %s leads in term %d", self.name_of(leader), term)

    def _membership_changed(self, effect: MembershipChanged) -> None:
        self._follow(effect.membership.in_force, effect.membership.certain)

    # The end.

    def _stop(self, error: BaseException) -> None:
        if self._stopped:
            return
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._failed(error)

    def fail_waiting(self, error: Exception) -> None:
        """Fail all waiting calls with ``error``."""
        self._carry_out(self._core.handle(Ended(error), self._loop.time()))

    async def close(self) -> None:
        """Stop taking part; everything acknowledged is on disk."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        await self._storage.close()


def _payload(entry: Entry) -> bytes:
    """Return the state machine's payload: empty if the entry is the protocol's own."""
    return entry.payload if entry.kind is EntryKind.COMMAND else b""


def _settle(waiter: asyncio.Future[Any], error: Exception | None) -> None:
    if waiter.done():
        return
    if error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(error)
        # All waiting callers may have given up.
        waiter.exception()


def _nobody_follows(in_force: Membership, certain: Membership) -> None:
    """Ignore the membership, as no follower is set yet."""
