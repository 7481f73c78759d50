"""One member of a group, as a function of events: consensus and everything around it.

Owns: the composition of the parts, the routing of each event to them, and the order of effects:

    event -> consensus -> messages that claim no persistence leave at once
                       -> write: when it is durable, the messages that depend on it leave, then
                          the consensus is told
                       -> committed entries are applied, a portion in each turn

Invariants: ``handle`` is deterministic given the random source and the time that it is told.  After
an exception the member is finished: it must not diverge.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from podraft.server.raft.core import STANDARD_PARTS, Event, Parts, RaftCore, Received, Restored
from podraft.server.raft.effects import NOTHING, Effects
from podraft.server.raft.entries import NOBODY, Entry, MemberId, SnapshotMark
from podraft.server.raft.events import (
    AnnounceCommit,
    Applied,
    Compacted,
    Persisted,
    Proposal,
    Proposed,
    ReadsRequested,
    SnapshotSent,
    Tick,
)
from podraft.server.raft.messages import AskRead, Forward
from podraft.server.raft.options import RandomSource
from podraft.server.raft.status import KnownMembership, Leadership, Status
from podraft.server.replication.core.applying import Applying
from podraft.server.replication.core.compaction import Compaction
from podraft.server.replication.core.effects import (
    After,
    CompactLog,
    LeaderChanged,
    MemberEffect,
    MembershipChanged,
    Send,
)
from podraft.server.replication.core.events import (
    Abandoned,
    AnnounceDue,
    ApplyMore,
    ChangeWanted,
    Command,
    Durable,
    Ended,
    HandOverWanted,
    Installed,
    LinkLost,
    MemberEvent,
    PatienceLost,
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
from podraft.server.replication.core.group_changes import GroupChanges
from podraft.server.replication.core.own_proposals import BatchBounds, OwnProposals
from podraft.server.replication.core.persisting import Persisting
from podraft.server.replication.core.read_barriers import ReadBarriers
from podraft.server.replication.member_options import MemberOptions

_TICK, _ANNOUNCE = Tick(), AnnounceCommit()
_NOTHING: Sequence[MemberEffect] = ()


@dataclass(frozen=True, slots=True)
class MemberParts:
    """The classes of the parts of a member's core."""

    consensus: type[RaftCore] = RaftCore
    consensus_parts: Parts = STANDARD_PARTS
    persisting: type[Persisting] = Persisting
    applying: type[Applying] = Applying
    compaction: type[Compaction] = Compaction
    proposals: type[OwnProposals] = OwnProposals
    reads: type[ReadBarriers] = ReadBarriers
    changes: type[GroupChanges] = GroupChanges


STANDARD_MEMBER_PARTS = MemberParts()


@dataclass(frozen=True, slots=True)
class MemberCounts:
    """The counts of a member since its start.

    ``leader_changes``: the terms in which it has seen a leader.  ``read_rounds``: the questions
    that it put to leaders.  ``failed``: the commands that got an error in place of an outcome.
    """

    leader_changes: int
    read_rounds: int
    failed: int


class MemberCore:
    """One member's decisions; no loop, clock, socket, disk or randomness of its own."""

    def __init__(
        self,
        identity: MemberId,
        restored: Restored,
        options: MemberOptions,
        bounds: BatchBounds,
        random: RandomSource,
        first_id: int,
        parts: MemberParts = STANDARD_MEMBER_PARTS,
    ) -> None:
        self._identity = identity
        self._now = 0.0
        self._effects: list[MemberEffect] = []
        self._steps: deque[Event] = deque()
        self._stepping = False
        self._announce = After(options.announce_s, AnnounceDue())
        self._announcing = False
        emit = self._effects.append
        self._consensus = consensus = parts.consensus(
            identity, restored, options.raft, random, parts.consensus_parts
        )
        self._leadership = consensus.leadership
        self._membership = consensus.membership
        applied = max(restored.mark.index, restored.applied)
        # No proposals of other processes, nor of this member's earlier life, have the same ids.
        ids = itertools.count(first_id)
        self._proposals = parts.proposals(
            identity, ids, options, bounds, emit=emit, offer=self._offer
        )
        self._reads = parts.reads(ids, options, applied, emit=emit, ask=self._ask)
        self._changes = parts.changes(identity, consensus, ids, emit=emit, step=self._step)
        self._persisting = parts.persisting(restored.hard_state, emit=emit)
        self._applying = parts.applying(applied, options.apply_entries, emit=emit, own=self._own)
        self._applied_term = 0
        self._compaction = parts.compaction(restored.mark.index, options)
        self._applied = applied
        self._leader_changes = 0
        self._leads = False
        self._handlers = self._all_handlers()

    def _all_handlers(self) -> dict[type, Callable[[Any], None]]:
        proposals, reads, changes = self._proposals, self._reads, self._changes
        # By exact type: faster than a chain of isinstance tests.
        return {
            Ticked: self._ticked,
            AnnounceDue: self._announce_due,
            Received: self._step,
            Undelivered: self._undelivered,
            LinkLost: lambda event: proposals.link_lost(event.peer),
            Submitted: lambda event: proposals.submit(event.commands, self._now),
            ProposalsGathered: lambda _: proposals.gathered(),
            PatienceLost: lambda _: proposals.lose_patience(),
            ReadersCame: lambda event: reads.came(event.readers, self._now),
            ReadersGathered: lambda _: reads.gathered(self._now),
            Durable: self._durable,
            PortionApplied: self._portion_applied,
            ApplyMore: lambda _: self._applying.go_on(),
            Stored: self._stored,
            Installed: self._installed,
            SnapshotSent: self._step,
            Pinned: lambda event: self._compaction.pin(event.member, event.index),
            Unpinned: lambda event: self._compaction.unpin(event.member),
            ChangeWanted: lambda event: changes.change(event.ticket, event.change),
            TransferWanted: lambda event: changes.transfer(event.ticket, event.target),
            HandOverWanted: lambda event: changes.hand_over(event.ticket, event.reachable),
            Abandoned: lambda event: changes.abandon(event.ticket),
            Ended: self._ended,
        }

    def handle(self, event: MemberEvent, now: float) -> Sequence[MemberEffect]:
        """Handle one event at ``now`` (seconds of a steady clock); return the effects it causes.

        Raises:
            InvariantViolatedError: The member must stop.
        """
        self._now = now
        effects = self._effects
        try:
            self._handlers[type(event)](event)
        except Exception:
            # None of the effects begun may be carried out.
            effects.clear()
            raise
        if not effects:
            return _NOTHING
        taken = effects.copy()
        effects.clear()
        return taken

    # Queries by the shell.

    @property
    def status(self) -> Status:
        """This member's view of the group."""
        return self._consensus.status

    @property
    def leadership(self) -> Leadership:
        """The leader, as far as this member knows."""
        return self._consensus.leadership

    @property
    def membership(self) -> KnownMembership:
        """The members that replicate the log."""
        return self._consensus.membership

    @property
    def installing(self) -> bool:
        """Whether a snapshot is replacing the state machine."""
        return self._persisting.installing is not None

    @property
    def waiting(self) -> int:
        """The number of commands that wait for their outcome."""
        return self._proposals.waiting

    @property
    def waiting_bytes(self) -> int:
        """The size, in bytes, of the commands that wait for their outcome."""
        return self._proposals.waiting_bytes

    @property
    def queued(self) -> int:
        """The number of waiting commands that would be in the next batch."""
        return self._proposals.queued

    @property
    def joinable_readers(self) -> Any:
        """The readers that another one may join, as no leader was asked for them yet, or None."""
        return self._reads.joinable

    @property
    def counts(self) -> MemberCounts:
        """The counts since the member started."""
        return MemberCounts(self._leader_changes, self._reads.rounds, self._proposals.failed)

    def mark_at(self, index: int) -> SnapshotMark | None:
        """Return the mark of a snapshot at ``index``; None if the log has forgotten it."""
        if not self._compaction.start <= index <= self._applied:
            return None
        return self._consensus.mark_at(index)

    # Time.

    def _ticked(self, _: Ticked) -> None:
        self._step(_TICK)
        if self._proposals.waiting:
            self._proposals.expire(self._now)
            self._proposals.resume()
        if self._reads.pending:
            self._reads.expire(self._now)
            self._reads.resume(self._now)

    def _announce_due(self, _: AnnounceDue) -> None:
        self._announcing = False
        self._step(_ANNOUNCE)

    # Consensus.

    def _step(self, event: Event) -> None:
        if self._stepping:
            self._steps.append(event)
            return
        self._stepping = True
        consensus = self._consensus
        next_event: Event | None = event
        while next_event is not None:
            effects = consensus.step(next_event)
            if effects is not NOTHING:
                self._carry_out(effects)
            next_event = self._steps.popleft() if self._steps else None
        self._stepping = False
        if consensus.membership is not self._membership:
            self._membership_changed()
        if not self._announcing and self._leads and consensus.unannounced:
            self._announcing = True
            self._effects.append(self._announce)
        if consensus.leadership is not self._leadership:
            self._led()

    def _membership_changed(self) -> None:
        membership = self._membership = self._consensus.membership
        self._changes.membership_changed()
        self._effects.append(MembershipChanged(membership))

    def _led(self) -> None:
        leadership = self._leadership = self._consensus.leadership
        self._leads = leadership.leader == self._identity
        self._leader_changes += leadership.leader != NOBODY
        self._effects.append(LeaderChanged(leadership))
        self._proposals.led(leadership)
        self._reads.led(leadership, self._now)
        self._changes.led_by(leadership.leader)

    def _carry_out(self, effects: Effects) -> None:
        if effects.messages_now:
            self._effects.append(Send(effects.messages_now))
        if effects.write is not None:
            if effects.write.snapshot is not None:
                self._replace_by(effects.write.snapshot)
            self._persisting.write(effects.write)
        if effects.messages_after_persist:
            self._persisting.send_after(effects.messages_after_persist)
        if effects.committed:
            self._applying.committed(effects.committed)
        for read in effects.reads:
            self._reads.ready(read.id, read.index)
        for refused in effects.refused:
            self._proposals.refused(refused.id, refused.reason)
            self._reads.refused(refused.id)
            self._changes.refused(refused.id, refused.reason)
        self._effects.extend(effects.snapshots)

    def _undelivered(self, event: Undelivered) -> None:
        """Arrange to repeat requests to a leader later; the consensus repeats other messages."""
        message = event.message
        if isinstance(message, Forward):
            self._proposals.undelivered([proposal.id for proposal in message.proposals])
        elif isinstance(message, AskRead):
            for number in message.ids:
                self._reads.refused(number)

    def _offer(self, proposals: tuple[Proposal, ...]) -> None:
        self._step(Proposed(proposals))

    def _ask(self, number: int) -> None:
        self._step(ReadsRequested((number,)))

    # The disk and the state machine.

    def _durable(self, event: Durable) -> None:
        self._persisting.durable(event.sequence)
        self._step(Persisted(event.sequence))

    def _own(self, entry: Entry) -> Command | None:
        if entry.term != self._applied_term:
            self._applied_term = entry.term
            self._proposals.term_began(entry.term)
        return self._proposals.committed(entry.proposal) if entry.proposal else None

    def _portion_applied(self, event: PortionApplied) -> None:
        index, size = self._applying.portion_applied(full=event.full)
        self._applied = index
        self._compaction.applied(index, size)
        self._step(Applied(index))
        self._reads.applied(index)

    def _replace_by(self, mark: SnapshotMark) -> None:
        self._applying.replace()
        self._proposals.skipped()
        self._compaction.restart(mark.index)

    def _installed(self, event: Installed) -> None:
        mark = event.mark
        if self._persisting.installed(mark):
            self._applied, self._applied_term = mark.index, mark.term
            self._applying.replaced(mark.index)
            self._reads.applied(mark.index)

    def _stored(self, event: Stored) -> None:
        self._applying.has_room(full=event.full)
        if self.installing:
            return
        start = self._compaction.advance(event.through, self._applied)
        if start is not None:
            mark = self._consensus.mark_at(start)
            self._effects.append(CompactLog(mark, self._persisting.hard_state))
            self._step(Compacted(start))

    # The end.

    def _ended(self, event: Ended) -> None:
        self._proposals.fail(event.error)
        self._reads.fail(event.error)
        self._changes.fail(event.error)
