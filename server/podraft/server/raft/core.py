"""One member's consensus: events in, effects out.

Owns: the dispatch of events and messages to the parts, the comparison of terms, the clock's tick,
and the consequences of a new commit index.

Invariants: ``step`` is deterministic given the random source; the effects of a step are carried out
as ``effects.Effects`` prescribes before anything that depends on them.  After an
``InvariantViolatedError`` the member is finished: its shell stops the process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from podraft.server.raft.changes import Changes
from podraft.server.raft.effects import Effects
from podraft.server.raft.election import Election
from podraft.server.raft.entries import (
    INITIAL_HARD_STATE,
    NOBODY,
    Entry,
    HardState,
    MemberId,
    SnapshotMark,
)
from podraft.server.raft.errors import ensure
from podraft.server.raft.events import (
    AnnounceCommit,
    Applied,
    ChangeProposed,
    Compacted,
    Persisted,
    Proposed,
    ReadsRequested,
    SnapshotSent,
    Tick,
    TransferLeadership,
)
from podraft.server.raft.log import RaftLog
from podraft.server.raft.member import Member, Role
from podraft.server.raft.messages import (
    Append,
    Appended,
    AppendRefused,
    AskRead,
    AskVote,
    CampaignNow,
    CommitNews,
    Declined,
    Forward,
    Heartbeat,
    HeartbeatAnswer,
    InstallSnapshot,
    Message,
    ReadAnswer,
    Vote,
)
from podraft.server.raft.options import RaftOptions, RandomSource
from podraft.server.raft.proposals import Proposals
from podraft.server.raft.quorum import majority
from podraft.server.raft.reads import Reads
from podraft.server.raft.replication import Replication
from podraft.server.raft.status import Fate, KnownMembership, Leadership, Status


@dataclass(frozen=True, slots=True)
class Received:
    """A message has arrived."""

    message: Message


Event: TypeAlias = (
    Tick
    | AnnounceCommit
    | Received
    | Proposed
    | Persisted
    | Applied
    | Compacted
    | ReadsRequested
    | ChangeProposed
    | TransferLeadership
    | SnapshotSent
)


@dataclass(frozen=True, slots=True)
class Restored:
    """The state that a member finds on its disk when it starts.

    A new group begins with the same ``mark`` of index 0 on every voter; a member that joins one
    begins with a mark without members.  ``applied``: the index up to which the state machine has
    entries beyond the mark durably.
    """

    mark: SnapshotMark
    hard_state: HardState = INITIAL_HARD_STATE
    entries: tuple[Entry, ...] = ()
    applied: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The classes of the parts that a core is composed of."""

    log: type[RaftLog] = RaftLog
    election: type[Election] = Election
    replication: type[Replication] = Replication
    reads: type[Reads] = Reads
    proposals: type[Proposals] = Proposals
    changes: type[Changes] = Changes


STANDARD_PARTS = Parts()


class RaftCore:
    """One member's consensus state; no clock, socket, disk or randomness of its own."""

    def __init__(
        self,
        identity: MemberId,
        restored: Restored,
        options: RaftOptions,
        random: RandomSource,
        parts: Parts = STANDARD_PARTS,
    ) -> None:
        self._log = log = parts.log(restored.mark, restored.entries, restored.applied)
        self._member = member = Member(identity, log, restored.hard_state, options, random)
        self._replication = replication = parts.replication(member)
        self._reads = reads = parts.reads(member, replication)
        self._proposals = proposals = parts.proposals(member, replication)
        self._changes = changes = parts.changes(member, replication)
        self._election = election = parts.election(member, replication.lead, self._abdicate)
        self._heartbeat_ticks = 0
        # By exact type: faster than a chain of isinstance tests.
        self._events: dict[type, Callable[[Any], None]] = {
            Tick: self._tick,
            AnnounceCommit: self._announce,
            Received: self._received,
            Proposed: proposals.proposed,
            Persisted: self._persisted,
            Applied: self._applied,
            Compacted: self._compacted,
            ReadsRequested: reads.requested,
            ChangeProposed: changes.proposed,
            TransferLeadership: changes.transfer,
            SnapshotSent: replication.snapshot_sent,
        }
        self._followed: dict[type, Callable[[Any], None]] = {
            Append: replication.append_received,
            CommitNews: replication.commit_news_received,
            Heartbeat: replication.heartbeat_received,
            InstallSnapshot: replication.snapshot_received,
        }
        self._led: dict[type, Callable[[Any], None]] = {
            Appended: self._appended,
            AppendRefused: replication.append_refused,
            HeartbeatAnswer: self._heartbeat_answered,
        }
        self._voted: dict[type, Callable[[Any], None]] = {
            AskVote: election.asked,
            Vote: election.answered,
            CampaignNow: election.told_to_campaign,
        }
        self._without_term: dict[type, Callable[[Any], None]] = {
            Forward: proposals.forwarded,
            Declined: proposals.declined,
            AskRead: reads.asked,
            ReadAnswer: reads.answered,
        }
        # What the shell may read; each is replaced by another record when it changes.
        self.leadership = Leadership(member.term, NOBODY)
        self.membership = self._known_membership()

    def step(self, event: Event) -> Effects:
        """Handle one event; return the effects that the shell must carry out.

        Raises:
            InvariantViolatedError: The member must stop.
        """
        member, log = self._member, self._log
        commit = log.commit
        self._events[type(event)](event)
        if log.commit != commit and member.role is Role.LEADER:
            self._leader_committed(commit)
        led, known = self.leadership, self.membership
        if member.term != led.term or member.leader != led.leader:
            self.leadership = Leadership(member.term, member.leader)
        if log.membership is not known.in_force or (
            known.certain is not known.in_force and log.commit >= known.index
        ):
            self.membership = self._known_membership()
        return member.take_effects()

    def _known_membership(self) -> KnownMembership:
        log = self._log
        return KnownMembership(log.membership, log.membership_index, log.committed_membership)

    # Queries by the shell.

    @property
    def unannounced(self) -> bool:
        """Whether ``AnnounceCommit`` is wanted some milliseconds from now.

        Without it followers learn of the commit only with the next entries or heartbeat.
        """
        return self._replication.unannounced

    def mark_at(self, index: int) -> SnapshotMark:
        """Return the mark for a snapshot of the state machine at the applied ``index``."""
        return self._log.mark_at(index)

    def fate(self, index: int, term: int) -> Fate:
        """Return what has become of the entry that was appended at ``index`` in ``term``."""
        log = self._log
        if index < log.start:
            return Fate.UNKNOWN
        if log.term_at(index) != term:
            return Fate.REPLACED
        return Fate.COMMITTED if log.commit >= index else Fate.OPEN

    @property
    def status(self) -> Status:
        """This member's view of itself and, as a leader, of the others."""
        member, log = self._member, self._log
        return Status(
            member.id,
            member.role,
            member.term,
            member.leader,
            log.commit,
            log.applied,
            log.last_index,
            {peer: progress.match for peer, progress in member.peers.items()},
        )

    # Events.

    def _tick(self, _: Tick) -> None:
        member = self._member
        member.elapsed_ticks += 1
        if member.role is Role.LEADER:
            self._leader_tick()
        elif member.elapsed_ticks >= member.patience_ticks:
            self._election.patience_ended()
        elif member.elapsed_ticks % member.options.heartbeat_ticks == 0:
            self._election.ask_again()

    def _leader_tick(self) -> None:
        member, options = self._member, self._member.options
        if member.elapsed_ticks >= options.election_ticks:
            member.elapsed_ticks = 0
            self._changes.give_up_transfer()
            if not self._majority_heard():
                # Members that need a leader must find out that there is none here.
                self._election.follow(member.term, NOBODY)
                return
        self._heartbeat_ticks += 1
        if self._heartbeat_ticks >= options.heartbeat_ticks:
            self._heartbeat_ticks = 0
            self._reads.begin_round()

    def _majority_heard(self) -> bool:
        member = self._member
        voters = member.log.membership.voters
        heard = int(member.is_voter)
        for peer, progress in member.peers.items():
            if progress.active and peer in voters:
                heard += 1
            progress.active = False
        return heard >= majority(len(voters))

    def _persisted(self, event: Persisted) -> None:
        self._member.persisted(event.sequence)
        self._election.persisted()
        if self._member.role is Role.LEADER:
            self._replication.advance_commit()

    def _applied(self, event: Applied) -> None:
        self._log.applied_to(event.index)

    def _compacted(self, event: Compacted) -> None:
        self._log.compact(event.index)

    def _announce(self, _: AnnounceCommit) -> None:
        self._replication.announce()

    def _abdicate(self) -> None:
        self._member.peers = {}
        self._member.transfer_target = NOBODY
        self._replication.unannounced = False
        self._reads.abandon()

    def _leader_committed(self, before: int) -> None:
        log = self._log
        # A new leader's first entry, and a change, which may remove the member that is told.
        urgent = (
            log.term_at(before) != self._member.term or before < log.membership_index <= log.commit
        )
        self._replication.committed(urgent=urgent)
        self._reads.committed()
        if self._changes.committed():
            self._election.follow(self._member.term, NOBODY)

    # Messages.

    def _received(self, event: Received) -> None:
        message = event.message
        kind = type(message)
        ensure(message.to == self._member.id, f"a message for member {message.to}")
        if kind in self._without_term:
            self._without_term[kind](message)
        elif kind in self._followed:
            self._from_leader(message)
        elif kind in self._led:
            self._from_follower(message)
        else:
            self._about_votes(message)

    def _from_leader(self, message: Any) -> None:
        member = self._member
        if message.term < member.term:
            # A deposed leader, or one that this member overtook while it was cut off:
            # it learns the term, steps down, and this member can be led again.
            member.send_now(AppendRefused(member.id, message.sender, member.term))
            return
        if message.term > member.term or member.role is not Role.FOLLOWER:
            ensure(
                message.term > member.term or member.role is not Role.LEADER,
                f"members {member.id} and {message.sender} both lead in term {member.term}",
            )
            self._election.follow(message.term, message.sender)
        ensure(
            member.leader in (NOBODY, message.sender),
            f"members {member.leader} and {message.sender} both lead in term {member.term}",
        )
        member.leader = message.sender
        member.elapsed_ticks = 0
        self._followed[type(message)](message)

    def _from_follower(self, message: Any) -> None:
        member = self._member
        if message.term > member.term:
            self._election.follow(message.term, NOBODY)
        elif message.term == member.term and member.role is Role.LEADER:
            self._led[type(message)](message)

    def _about_votes(self, message: Any) -> None:
        member, kind = self._member, type(message)
        asks = kind is AskVote
        if message.term > member.term:
            if asks and self._election.protects_leader(message):
                return
            tentative = kind is not CampaignNow and message.pre and (asks or message.granted)
            if not tentative:
                leader = message.sender if kind is CampaignNow else NOBODY
                self._election.follow(message.term, leader)
        elif message.term < member.term:
            if asks and message.pre:
                # A sender that is behind learns the term; otherwise it would ask forever.
                member.send_now(
                    Vote(member.id, message.sender, member.term, granted=False, pre=True)
                )
            return
        self._voted[kind](message)

    def _appended(self, message: Appended) -> None:
        self._replication.appended(message)
        self._changes.hand_over(message.sender)

    def _heartbeat_answered(self, message: HeartbeatAnswer) -> None:
        self._replication.heartbeat_answered(message)
        self._reads.prove()
        # The first call to campaign may have been lost.
        self._changes.hand_over(message.sender)
